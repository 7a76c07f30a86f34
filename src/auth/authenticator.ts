import { setTimeout as pause } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Database } from '../db/pool.ts'
import { remedyFor } from '../db/sqlstate.ts'
import { type Grant, grantReader } from './grants.ts'
import type { Viewer } from './model/viewer.ts'
import { touchSessions } from './sessions.ts'
import { hashToken, tokenKindOf } from './token.ts'

/** How long an answer of the database is taken for true. With the read itself, an end is noticed well within a second. */
const TRUSTED_MS = 400
/** What is remembered of tokens, good and bad. */
const TOKENS_MAX = 10_000
/** While the database comes back, whoever asks is kept waiting so long: postings would be kept waiting too. */
const PATIENCE_MS = 5_000
const RETRY_INTERVAL_MS = 100

interface Known {
  grant: Grant | undefined
  /** By the clock of this process: when it was asked for, and when it is over at the latest. */
  askedAt: number
  endsAt: number
  /** Under way or done: the session is noted to have been in use since. */
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
 * rights change; also while the database is away, if the end was known before.
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
   * Who holds a token, for a request that is made with it now; undefined: nobody (any more). At once where it is known.
   *
   * Rejects as the database does, once it has been away for longer than a moment.
   */
  check(token: string): Viewer | undefined | Promise<Viewer | undefined> {
    if (!tokenKindOf(token)) return undefined
    const known = this.#known.get(token)
    const now = performance.now()
    if (known?.note && now >= known.endsAt) {
      // It would be over if nothing had been asked since. Something was, so it goes on, once the database knows.
      return known.note.then(() => this.#look(token)).then((known) => this.#use(token, known))
    }
    if (known && now - known.askedAt < TRUSTED_MS) return this.#use(token, known)
    return this.#look(token).then((known) => this.#use(token, known))
  }

  /**
   * Calls `onEnd` when a token no longer stands for this viewer.
   *
   * @returns ends the watching.
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

  /** After a token was revoked by this process: what was known of it is wrong from now on. */
  forget(token: string): void {
    this.#known.delete(token)
    this.#notify(token, undefined)
  }

  /** After tokens were revoked that are not at hand. */
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
        if (this.#closed || remedyFor(error) === 'fault' || performance.now() > giveUpAt) throw error
        await pause(RETRY_INTERVAL_MS)
      }
    }
  }

  /** Looks up every watched token, and notifies the watchers whose viewer has changed. */
  async #lookAgain(): Promise<void> {
    const now = performance.now()
    const look = async (token: string) => {
      if (this.#reading.has(token)) {
        // The database does not answer. Of an end that was known there is nothing to ask.
        const known = this.#known.peek(token)
        if (known && now >= known.endsAt) this.#notify(token, undefined)
        return
      }
      // Not known is not over: it is asked again.
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
