import type { LedgerEntry } from './entry.ts'

/*
 * The live feed of accounts. A subscriber is a position in one account: it reads everything after it, then waits for a
 * hint that there may be more. A hint says nothing but "look again", so it may be lost, doubled or wrong: what was read
 * decides, and a poll stands in for hints that never come (another server process posted).
 *
 * A subscriber is read for only when it asks for its next entry, so one that stops reading holds nothing but its
 * position.
 */

/** How often a waiting subscriber looks without a hint, while there is any. */
const POLL_INTERVAL_MS = 1_000
/** Entries read at once; the rest of a long backlog is read when these are used up. */
const READ_MAX = 100

/** Reads the entries after a position, oldest first. */
export type ReadEntriesAfter = (accountId: string, after: number, limit: number) => Promise<LedgerEntry[]>

export interface Feed {
  /** Says that these accounts may have new entries. */
  hint(accountIds: Iterable<string>): void
  /** Every entry later than position `after`, in order, each once; it ends when the feed closes or `return` is called. */
  subscribe(accountId: string, after: number): AsyncIterableIterator<LedgerEntry, undefined>
  /** Ends every subscriber. */
  close(): void
}

/** @param onTrouble told when a read fails, once for as long as reads fail. */
export function openFeed(readEntries: ReadEntriesAfter, onTrouble: (error: unknown) => void): Feed {
  let isFailing = false
  const read: ReadEntriesAfter = async (...position) => {
    try {
      const entries = await readEntries(...position)
      isFailing = false
      return entries
    } catch (error) {
      if (!isFailing) onTrouble(error)
      isFailing = true
      throw error
    }
  }

  const waiting = new Map<string, Set<() => void>>()
  const subscribers = new Set<Subscriber>()
  let poll: NodeJS.Timeout | undefined

  const wake = (accountId: string) => {
    const waiters = waiting.get(accountId)
    waiting.delete(accountId)
    for (const resume of waiters ?? []) resume()
  }

  const wait = (accountId: string): Promise<void> =>
    new Promise((resume) => {
      const waiters = waiting.get(accountId) ?? new Set()
      waiting.set(accountId, waiters.add(resume))
    })

  return {
    hint(accountIds) {
      for (const accountId of accountIds) {
        for (const subscriber of subscribers) if (subscriber.accountId === accountId) subscriber.hinted = true
        wake(accountId)
      }
    },
    subscribe(accountId, after) {
      const subscriber = new Subscriber(accountId, after, read, wait, () => {
        subscribers.delete(subscriber)
        wake(accountId)
        if (subscribers.size === 0) {
          clearInterval(poll)
          poll = undefined
        }
      })
      subscribers.add(subscriber)
      poll ??= setInterval(() => {
        for (const id of [...waiting.keys()]) wake(id)
      }, POLL_INTERVAL_MS)
      return subscriber
    },
    close() {
      for (const subscriber of [...subscribers]) void subscriber.return()
    },
  }
}

class Subscriber implements AsyncIterableIterator<LedgerEntry, undefined> {
  readonly accountId: string
  /** A hint came since the last read began. */
  hinted = true
  #position: number
  #buffer: LedgerEntry[] = []
  #ended = false
  readonly #read: ReadEntriesAfter
  readonly #wait: (accountId: string) => Promise<void>
  readonly #leave: () => void
  /** Calls of `next` are answered one after another, however they overlap. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    accountId: string,
    after: number,
    read: ReadEntriesAfter,
    wait: (accountId: string) => Promise<void>,
    leave: () => void,
  ) {
    this.accountId = accountId
    this.#position = after
    this.#read = read
    this.#wait = wait
    this.#leave = leave
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<LedgerEntry, undefined>> {
    const answer = this.#turn.then(() => this.#next())
    this.#turn = answer.catch(() => {})
    return answer
  }

  return(): Promise<IteratorResult<LedgerEntry, undefined>> {
    if (!this.#ended) {
      this.#ended = true
      this.#leave()
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  async #next(): Promise<IteratorResult<LedgerEntry, undefined>> {
    while (!this.#ended) {
      const entry = this.#buffer.shift()
      if (entry) {
        this.#position = entry.sequence
        return { done: false, value: entry }
      }
      this.hinted = false
      try {
        this.#buffer = this.#withoutHoles(await this.#read(this.accountId, this.#position, READ_MAX))
      } catch {
        // The database is away. The position is safe here: the poll looks again until it is back.
      }
      if (this.#buffer.length === 0 && !this.hinted && !this.#ended) await this.#wait(this.accountId)
    }
    return { done: true, value: undefined }
  }

  /** What was read is cut at the first gap, never past it. */
  #withoutHoles(entries: LedgerEntry[]): LedgerEntry[] {
    const gap = entries.findIndex((entry, index) => entry.sequence !== this.#position + 1 + index)
    return gap === -1 ? entries : entries.slice(0, gap)
  }
}
