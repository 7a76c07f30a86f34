import type { Database } from '../db/pool.ts'
import { NotConnectedError } from '../db/transaction.ts'
import { eventsOf, type FeedEvent, type FeedPosition, type StepPage, type StepRequest, stepAfter } from './feed-step.ts'
import { freshAfter } from './fresh-transactions.ts'
import { reportingOnce } from './reporting.ts'
import { durable, isAhead, readSnapshot, type Snapshot } from './snapshot.ts'
import { readFreshTransactions } from './statements/read-fresh-transactions.ts'
import { readMoreFreshTransactions } from './statements/read-more-fresh-transactions.ts'
import { readSnapshotNow } from './statements/read-snapshot.ts'
import { TransactionSubscriber } from './transaction-subscriber.ts'

/*
 * The live feed of the whole ledger: a chain of snapshots. Each step takes one snapshot and delivers what it sees and the
 * one before did not, by time and then by id. So nothing is ever passed over, whatever order ids, times and commits come
 * in; entries of one account stand in their order, since each was committed before the next was given its time; and
 * nobody's long transaction holds anything up. Snapshots are kept in a form that outlives a crash of PostgreSQL's.
 *
 * One chain serves all live subscribers. It goes on by hints, and by a poll that stands in for hints that never come.
 */

const POLL_INTERVAL_MS = 1_000
/** Transactions read at once. */
const PAGE_MAX = 500

/** A position later than all that is committed. */
export class PositionNotReachedError extends Error {
  override name = 'PositionNotReachedError'
}

/** Rows bear database transactions that this PostgreSQL has not come to: it was restored from a dump. */
export class RestoredLedgerError extends Error {
  override name = 'RestoredLedgerError'
  constructor() {
    super('the ledger was restored from a dump: run `npm run era:renew` once, so that its feed can be told')
  }
}

export class TransactionFeed {
  readonly #database: Database
  readonly #reading: (request: StepRequest) => Promise<StepPage>
  readonly #subscribers = new Set<TransactionSubscriber>()
  /** The last step of the chain, or the rest of it, as it is to be taken next. */
  #chain: StepRequest | undefined
  readonly #live = new Set<TransactionSubscriber>()
  #stepping: Promise<void> | undefined
  #isHinted = false
  #pumping = false
  #poll: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param onTrouble told when reads fail, once for as long as they do. */
  constructor(database: Database, onTrouble: (error: unknown) => void) {
    this.#database = database
    this.#reading = reportingOnce((request: StepRequest) => this.#read(request), onTrouble)
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  /**
   * Now, as a position: everything that is committed later comes after it.
   *
   * @throws {RestoredLedgerError}
   */
  async now(): Promise<FeedPosition> {
    const [row] = await readSnapshotNow(this.#database).execute()
    const { snapshot: taken, head } = row as { snapshot: Snapshot; head: string | null }
    if (isAhead(taken, head)) throw new RestoredLedgerError()
    const snapshot = durable(taken, head)
    return { previous: snapshot, snapshot, after: null }
  }

  /** Says that there may be new transactions. */
  hint(): void {
    this.#isHinted = true
    if (this.#live.size > 0 && !this.#pumping) void this.#pump()
  }

  /**
   * Every transaction later than a position (without one: than now), each once; it ends when the feed closes or `return` is
   * called.
   *
   * @throws {PositionNotReachedError} {RestoredLedgerError} {NotConnectedError} when the feed is closed.
   */
  async subscribe(since?: FeedPosition): Promise<AsyncIterableIterator<FeedEvent, undefined>> {
    const now = await this.now()
    const xmaxOf = ({ snapshot }: FeedPosition) => readSnapshot(snapshot)?.xmax ?? 0n
    if (since && xmaxOf(since) > xmaxOf(now)) throw new PositionNotReachedError()
    if (this.#isClosed) throw new NotConnectedError('the feed is closed')
    const subscriber = new TransactionSubscriber(since ?? now, since === undefined, {
      read: (request) => this.#reading(request),
      join: () => this.#join(subscriber),
      leave: () => this.#leave(subscriber),
    })
    this.#subscribers.add(subscriber)
    this.#poll ??= setInterval(() => {
      for (const each of this.#subscribers) each.retry()
      this.hint()
    }, POLL_INTERVAL_MS)
    return subscriber
  }

  /** Ends every subscriber, and takes no more. */
  close(): void {
    this.#isClosed = true
    for (const subscriber of [...this.#subscribers]) void subscriber.return()
  }

  /**
   * From now on the subscriber is pushed what comes after the answer: a snapshot taken since this was called, so that it
   * sees all that the subscriber has seen, in whichever process.
   */
  async #join(subscriber: TransactionSubscriber): Promise<Snapshot> {
    await this.#stepping?.catch(() => {})
    const { snapshot } = await this.now()
    if (this.#live.size === 0 && !this.#stepping) {
      // There is nobody whom the chain owes anything: it begins anew.
      this.#chain = { previous: snapshot, snapshot: null, after: null }
    } else {
      // The rest of a step that was broken off: whoever joined in the middle of it would miss what came before.
      if (this.#chain?.after) await this.#advance()
      await this.#advance()
    }
    if (this.#subscribers.has(subscriber)) this.#live.add(subscriber)
    this.hint()
    return (this.#chain as StepRequest).previous
  }

  #leave(subscriber: TransactionSubscriber): void {
    this.#subscribers.delete(subscriber)
    this.#live.delete(subscriber)
    if (this.#subscribers.size > 0) return
    clearInterval(this.#poll)
    this.#poll = undefined
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      while (this.#isHinted && this.#live.size > 0) {
        this.#isHinted = false
        // One that is under way may not see what the hint is about.
        await this.#stepping
        await this.#advance()
      }
    } catch {
      // The database is away. The poll looks again until it is back.
    } finally {
      this.#pumping = false
    }
  }

  /** A step of the chain, or the rest of one that was broken off; the one that is under way, if one is. */
  #advance(): Promise<void> {
    this.#stepping ??= this.#takeStep().finally(() => {
      this.#stepping = undefined
    })
    return this.#stepping
  }

  async #takeStep(): Promise<void> {
    for (;;) {
      const step = this.#chain as StepRequest
      const page = await this.#reading(step)
      const events = eventsOf(step, page)
      for (const event of events) for (const subscriber of this.#live) subscriber.push(event)
      this.#chain = stepAfter(step, page)
      if (page.isLast) return
    }
  }

  async #read({ previous, snapshot, after }: StepRequest): Promise<StepPage> {
    const fresh = freshAfter(previous)
    if (after !== null && snapshot !== null) {
      const next = readMoreFreshTransactions(this.#database)
      const transactions = await next.execute({ ...fresh, snapshot, ...after, limit: PAGE_MAX })
      return { snapshot, transactions, isLast: transactions.length < PAGE_MAX }
    }
    const first = readFreshTransactions(this.#database)
    const rows = await first.execute({ ...fresh, snapshot, limit: PAGE_MAX })
    const transactions = rows.flatMap(({ snapshot: _, head: __, id, ...rest }) => (id === null ? [] : { id, ...rest }))
    const [taken] = rows as [(typeof rows)[number]]
    return {
      snapshot: snapshot ?? durable(taken.snapshot, taken.head),
      transactions,
      isLast: transactions.length < PAGE_MAX,
    }
  }
}
