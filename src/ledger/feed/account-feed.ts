import type { AccountId } from '../../db/ids.ts'
import { NotConnectedError } from '../../db/transaction.ts'
import { entriesOf, type LedgerEntry } from '../model/entry.ts'
import type { EntryRange } from '../model/entry-range.ts'
import type { Posted } from '../model/posting.ts'
import { accountsOf } from '../model/sides.ts'
import { AccountSubscriber } from './account-subscriber.ts'
import type { CatchUp } from './catch-up.ts'
import { Patience } from './patience.ts'
import { reportingOnce } from './reporting.ts'

/*
 * The live feed of accounts. An account with subscribers has a channel: the number of the last entry that was pushed to
 * its live subscribers. Three things move a channel on:
 *
 *   deliver   this process posted entries, and hands them over in memory right after COMMIT
 *   hint      another process may have posted: "look again". A hint may be lost, repeated or wrong
 *   poll      looks again in case a hint was lost
 *
 * An entry is pushed only if it is the channel's next number. Everything else is read from the database, for all channels
 * in one statement, and only up to the first gap.
 */

/** How often all channels look without a hint, while there are any. */
const POLL_INTERVAL_MS = 1_000
/** Entries of a channel read at once, at most. */
const READ_MAX = 100
/** Channels read for in one statement. */
const CHANNELS_AT_ONCE = 500
/** Entries of all of them together: with more, the statement would be cut into several (chunks.ts). */
const ROWS_AT_ONCE = 1_000

/** Reads the entries of each range, newest first. */
export type ReadEntries = (ranges: readonly EntryRange[]) => Promise<LedgerEntry[][]>

/** The live subscribers of one account. */
interface Channel {
  accountId: AccountId
  /** The number of the last entry that was pushed. */
  position: number
  subscribers: Set<AccountSubscriber>
}

export class Feed {
  readonly #read: ReadEntries
  readonly #onError: (error: unknown) => void
  readonly #catchUp: CatchUp
  /** Of what is read for all channels. */
  readonly #patience = new Patience()
  readonly #channels = new Map<AccountId, Channel>()
  readonly #subscribers = new Set<AccountSubscriber>()
  /** Channels that have to look. */
  readonly #dirty = new Set<Channel>()
  #looking = false
  /** When the oldest hint came that was not followed yet. */
  #behindSince: number | undefined
  #poll: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param onError called when reads fail, once for as long as they do. */
  constructor(readEntries: ReadEntries, catchUp: CatchUp, onError: (error: unknown) => void) {
    this.#catchUp = catchUp
    this.#read = reportingOnce(readEntries, onError)
    this.#onError = onError
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  /** How long there may have been entries that were not read yet, in milliseconds. */
  get lagMs(): number {
    return this.#behindSince === undefined ? 0 : performance.now() - this.#behindSince
  }

  /** Takes transactions that were just committed, in order. */
  deliver(posted: Iterable<Posted>): void {
    if (this.#channels.size === 0) return
    for (const { transaction, balancesAfter } of posted) {
      if (balancesAfter) for (const entry of entriesOf({ transaction, balancesAfter })) this.#take(entry)
      else this.hint(accountsOf(transaction))
    }
  }

  /** Says that these accounts, or any, may have new entries. */
  hint(accountIds: Iterable<AccountId> | 'any'): void {
    for (const accountId of accountIds === 'any' ? this.#channels.keys() : accountIds) {
      const channel = this.#channels.get(accountId)
      if (channel) this.#dirty.add(channel)
    }
    if (this.#dirty.size > 0) this.#behindSince ??= performance.now()
    this.#look().catch(this.#onError)
  }

  /**
   * Every entry later than position `after`, in order, each once; it ends when the feed closes or `return` is called.
   *
   * @param head the number of the account's last entry, as it was known before.
   * @throws {NotConnectedError} when the feed is closed.
   */
  subscribe(accountId: AccountId, after: number, head: number): AsyncIterableIterator<LedgerEntry, undefined> {
    if (this.#isClosed) throw new NotConnectedError('the feed is closed')
    const source = {
      read: async (range: EntryRange) => ((await this.#read([range]))[0] as LedgerEntry[]).reverse(),
      join: () => this.#join(subscriber),
      leave: () => this.#leave(subscriber),
    }
    const subscriber = new AccountSubscriber(accountId, after, head, source, this.#catchUp)
    this.#subscribers.add(subscriber)
    this.#poll ??= setInterval(() => {
      for (const each of this.#subscribers) each.retry()
      this.hint('any')
    }, POLL_INTERVAL_MS)
    return subscriber
  }

  /** Ends all subscribers, and refuses new ones. */
  close(): void {
    this.#isClosed = true
    for (const subscriber of [...this.#subscribers]) void subscriber.return()
  }

  /** @returns the channel's number: later entries are pushed. */
  #join(subscriber: AccountSubscriber): number {
    const { accountId, position } = subscriber
    const channel = this.#channels.get(accountId) ?? { accountId, position, subscribers: new Set() }
    this.#channels.set(accountId, channel)
    channel.subscribers.add(subscriber)
    this.hint([accountId])
    return channel.position
  }

  #leave(subscriber: AccountSubscriber): void {
    this.#subscribers.delete(subscriber)
    const channel = this.#channels.get(subscriber.accountId)
    if (channel?.subscribers.delete(subscriber) && channel.subscribers.size === 0) {
      this.#channels.delete(channel.accountId)
      this.#dirty.delete(channel)
    }
    if (this.#channels.size === 0) this.#behindSince = undefined
    if (this.#subscribers.size === 0) {
      clearInterval(this.#poll)
      this.#poll = undefined
    }
  }

  #take(entry: LedgerEntry): void {
    const channel = this.#channels.get(entry.accountId)
    if (!channel || entry.sequence <= channel.position) return
    if (entry.sequence > channel.position + 1) {
      this.hint([entry.accountId])
    } else {
      channel.position = entry.sequence
      for (const subscriber of channel.subscribers) subscriber.push(entry)
    }
  }

  /** Reads for the channels that have to look, until none has. */
  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      while (this.#dirty.size > 0) {
        const channels = [...this.#dirty].slice(0, CHANNELS_AT_ONCE)
        for (const channel of channels) this.#dirty.delete(channel)
        const readMax = Math.min(READ_MAX, Math.floor(ROWS_AT_ONCE / channels.length))
        const pages = await this.#read(
          channels.map(({ accountId, position }) => ({ accountId, low: position + 1, high: position + readMax })),
        ).catch((error) => this.#giveUpOn(channels, error))
        // The error was reported. The poll looks again.
        if (!pages) return
        this.#patience.succeeded()
        for (const [index, newestFirst] of pages.entries()) {
          const channel = channels[index] as Channel
          for (const entry of newestFirst.reverse()) {
            // Nothing is taken past a gap: the missing entry is read again, never skipped.
            if (entry.sequence > channel.position + 1) break
            this.#take(entry)
          }
          if (newestFirst.length === readMax && channel.subscribers.size > 0) this.#dirty.add(channel)
        }
      }
      this.#behindSince = undefined
    } finally {
      this.#looking = false
    }
  }

  /** Ends the subscribers of channels that could not be read again and again. */
  #giveUpOn(channels: readonly Channel[], error: unknown): undefined {
    const reason = this.#patience.failed(error)
    if (!reason) return
    for (const { subscribers } of channels) for (const subscriber of [...subscribers]) subscriber.fail(reason)
  }
}
