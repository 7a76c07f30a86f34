import { setTimeout as pause } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Database } from '../db/pool.ts'
import { isTemporary } from '../db/sqlstate.ts'
import { type Grant, grantReader } from './grants.ts'
import type { Viewer } from './model/viewer.ts'
import { touchSessions } from './sessions.ts'
import { hashToken, tokenKindOf } from './token.ts'

/** How long an answer of the database is trusted. Together with the read itself, an end is noticed well within a second. */
const TRUSTED_MS = 400
/** How many tokens are remembered, valid and invalid. */
const TOKENS_MAX = 10_000
/** How long callers wait for the database to come back. Postings wait for it too. */
const PATIENCE_MS = 5_000
const RETRY_INTERVAL_MS = 100

interface Known {
  grant: Grant | undefined
  /** By the clock of this process: when the database was asked, and when the grant ends at the latest. */
  askedAt: number
  endsAt: number
  /** Set when the session's use since then is being noted, or has been. */
  note: Promise<void> | undefined
}

interface Watcher {
  viewer: Viewer
  onEnd: () => void
}

/**
 * Knows who holds a token. It trusts the database's answer for `TRUSTED_MS`, so a thousand requests with one token cost a few
 * reads a second. Many tokens are read in one statement.
 *
 * Subscriptions and sockets watch their token. They are notified within a second when it is revoked, its session ends, or its
 * rights change; also while the database is away, if the end was known before. A new account of a viewer ends nothing: within
 * a second, each new request and each event is answered for a viewer who has it.
 */
export class Authenticator {
  readonly #database: Database
  readonly #read: (tokens: readonly string[]) => Promise<(Grant | undefined)[]>
  readonly #onError: (error: unknown) => void
  readonly #known = new LRUCache<string, Known>({ max: TOKENS_MAX })
  readonly #reading = new Map<string, Promise<Known>>()
  readonly #watchers = new Map<string, Set<Watcher>>()
  readonly #notes = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(database: Database, onError: (error: unknown) => void) {
    this.#database = database
    this.#read = grantReader(database)
    this.#onError = onError
  }

  /**
   * Who holds a token, for a request that is made with it now; undefined: nobody, or no longer. A known token is answered
   * at once.
   *
   * @throws the database's error, once the database has been away for some seconds.
   */
  check(token: string): Viewer | undefined | Promise<Viewer | undefined> {
    if (!tokenKindOf(token)) return undefined
    const known = this.#known.get(token)
    const now = performance.now()
    if (known?.note && now >= known.endsAt) {
      // Without a request since, the session would be over. There was one, so it continues, once the database knows.
      return known.note.then(() => this.#look(token)).then((known) => this.#use(token, known))
    }
    if (known && now - known.askedAt < TRUSTED_MS) return this.#use(token, known)
    return this.#look(token).then((known) => this.#use(token, known))
  }

  /**
   * Calls `onEnd` when a token no longer represents this viewer.
   *
   * @returns a function that ends the watching.
   */
  watch(token: string, viewer: Viewer, onEnd: () => void): () => void {
    const watcher = { viewer, onEnd }
    const watchers = this.#watchers.get(token) ?? new Set()
    watchers.add(watcher)
    this.#watchers.set(token, watchers)
    this.#timer ??= setInterval(() => void this.#lookAgain(), TRUSTED_MS)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(token) === watchers) this.#watchers.delete(token)
      if (this.#watchers.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /**
   * The viewer of a token as it was last read, with the accounts that they have been given meanwhile. If the token is no longer
   * theirs, it is the viewer as given. A token that is watched was read well within the last second.
   */
  latest(token: string, viewer: Viewer): Viewer {
    const latest = this.#known.peek(token)?.grant?.viewer
    return latest?.key === viewer.key ? latest : viewer
  }

  /** Call this after this process has ended a session: what is remembered of its token is no longer true. */
  forget(token: string): void {
    this.#known.delete(token)
    this.#notify(token, undefined)
  }

  /** Call this after an API token was revoked by its id, since the token itself is not known. */
  forgetAll(): void {
    this.#known.clear()
    void this.#lookAgain()
  }

  get watcherCount(): number {
    let count = 0
    for (const watchers of this.#watchers.values()) count += watchers.size
    return count
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await Promise.all(this.#notes)
  }

  #use(token: string, known: Known): Viewer | undefined {
    const { grant } = known
    if (!grant || performance.now() >= known.endsAt) return undefined
    if (grant.isStale && !known.note) {
      const note: Promise<void> = touchSessions(this.#database, [hashToken(token)])
        .catch(this.#onError)
        .finally(() => this.#notes.delete(note))
      this.#notes.add(note)
      known.note = note
    }
    return grant.viewer
  }

  #look(token: string): Promise<Known> {
    const reading = this.#reading.get(token)
    if (reading) return reading
    const look = this.#readPatiently(token).finally(() => this.#reading.delete(token))
    this.#reading.set(token, look)
    return look
  }

  async #readPatiently(token: string): Promise<Known> {
    const giveUpAt = performance.now() + PATIENCE_MS
    for (;;) {
      const askedAt = performance.now()
      try {
        const [grant] = await this.#read([token])
        const known = { grant, askedAt, endsAt: askedAt + (grant?.leftMs ?? 0), note: undefined }
        this.#known.set(token, known)
        return known
      } catch (error) {
        if (this.#closed || !isTemporary(error) || performance.now() > giveUpAt) throw error
        await pause(RETRY_INTERVAL_MS)
      }
    }
  }

  /** Looks up every watched token, and notifies the watchers whose viewer has changed. */
  async #lookAgain(): Promise<void> {
    const now = performance.now()
    const look = async (token: string) => {
      if (this.#reading.has(token)) {
        // The database does not answer. A session still ends at its known time.
        const known = this.#known.peek(token)
        if (known && now >= known.endsAt) this.#notify(token, undefined)
        return
      }
      // A failed look-up ends nothing: the token is looked up again.
      const known = await this.#look(token).catch(() => undefined)
      if (known) this.#notify(token, known.grant?.viewer)
    }
    await Promise.all([...this.#watchers.keys()].map(look))
  }

  #notify(token: string, viewer: Viewer | undefined): void {
    for (const watcher of [...(this.#watchers.get(token) ?? [])]) {
      if (viewer?.key !== watcher.viewer.key) watcher.onEnd()
    }
  }
}
