import type { Database } from '../../db/pool.ts'
import { NotConnectedError } from '../../db/transaction.ts'
import { PositionNotReachedError, RestoredLedgerError } from '../model/feed-errors.ts'
import {
  eventsOf,
  type FeedEvent,
  type FeedPosition,
  type StepPage,
  type StepRequest,
  stepAfter,
} from '../model/feed-step.ts'
import { durable, isAhead, readSnapshot, type Snapshot } from '../model/snapshot.ts'
import { readSnapshotNow } from '../statements/read-snapshot.ts'
import type { CatchUp } from './catch-up.ts'
import { Patience } from './patience.ts'
import { reportingOnce } from './reporting.ts'
import { readStepPage } from './step-page.ts'
import { TransactionSubscriber } from './transaction-subscriber.ts'

/*
 * The live feed of the whole ledger is a chain of snapshots. Each step takes a snapshot, and delivers what it sees and the
 * snapshot before did not see, by time and then by id. So:
 *
 *   - nothing is skipped, whatever the order of ids, times and commits
 *   - entries of one account keep their order, since each is committed before the next one gets its time
 *   - a long database transaction delays only itself
 *
 * Snapshots are stored in a form that survives a crash of PostgreSQL. A long step is cut into short ones (`step-page.ts`).
 * One chain serves all live subscribers. Hints move it on, and a poll in case a hint was lost.
 */

const POLL_INTERVAL_MS = 1_000

export class TransactionFeed {
  readonly #database: Database
  readonly #reading: (request: StepRequest) => Promise<StepPage>
  readonly #catchUp: CatchUp
  /** Of the chain. */
  readonly #patience = new Patience()
  readonly #subscribers = new Set<TransactionSubscriber>()
  /** The last step of the chain, or the rest of it, as it is to be taken next. */
  #chain: StepRequest | undefined
  readonly #live = new Set<TransactionSubscriber>()
  #stepping: Promise<void> | undefined
  #isHinted = false
  /** When the oldest hint came that was not followed yet, while somebody is live. */
  #behindSince: number | undefined
  #pumping = false
  #poll: NodeJS.Timeout | undefined
  #isClosed = false

  /** @param onError called when reads fail, once for as long as they do. */
  constructor(database: Database, catchUp: CatchUp, onError: (error: unknown) => void) {
    this.#database = database
    this.#catchUp = catchUp
    this.#reading = reportingOnce((request: StepRequest) => readStepPage(database, request), onError)
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  /**
   * The present as a position: everything that is committed later comes after it.
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

  /** For how long there have been transactions, perhaps, that live subscribers were not sent yet. */
  get lagMs(): number {
    return this.#behindSince === undefined ? 0 : performance.now() - this.#behindSince
  }

  /** Called when there may be new transactions. */
  hint(): void {
    this.#isHinted = true
    if (this.#live.size > 0) this.#behindSince ??= performance.now()
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
    const source = {
      read: (request: StepRequest) => this.#reading(request),
      join: () => this.#join(subscriber),
      leave: () => this.#leave(subscriber),
    }
    const subscriber = new TransactionSubscriber(since ?? now, since === undefined, source, this.#catchUp)
    this.#subscribers.add(subscriber)
    this.#poll ??= setInterval(() => {
      for (const each of this.#subscribers) each.retry()
      this.hint()
    }, POLL_INTERVAL_MS)
    return subscriber
  }

  /** Ends all subscribers, and refuses new ones. */
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
      // There are no live subscribers: the chain begins again from now.
      this.#chain = { previous: snapshot, snapshot: null, after: null }
    } else await this.#advance()
    if (this.#subscribers.has(subscriber)) this.#live.add(subscriber)
    this.hint()
    return (this.#chain as StepRequest).previous
  }

  #leave(subscriber: TransactionSubscriber): void {
    this.#subscribers.delete(subscriber)
    this.#live.delete(subscriber)
    if (this.#live.size === 0) this.#behindSince = undefined
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
        this.#patience.succeeded()
      }
      this.#behindSince = undefined
    } catch (error) {
      // The poll looks again.
      const reason = this.#patience.failed(error)
      if (reason) for (const subscriber of [...this.#live]) subscriber.fail(reason)
    } finally {
      this.#pumping = false
    }
  }

  /** Takes the chain on to what is committed now; the advance that is under way, if one is. */
  #advance(): Promise<void> {
    this.#stepping ??= this.#takeSteps().finally(() => {
      this.#stepping = undefined
    })
    return this.#stepping
  }

  async #takeSteps(): Promise<void> {
    // Only a step that begins here can go to now. One that an error broke off was begun earlier.
    let isToNow = false
    for (;;) {
      const step = this.#chain as StepRequest
      const page = await this.#reading(step)
      if (step.snapshot === null) isToNow = page.isWhole
      const events = eventsOf(step, page)
      for (const event of events) for (const subscriber of this.#live) subscriber.push(event)
      this.#chain = stepAfter(step, page)
      if (page.isLast && isToNow) return
    }
  }
}
