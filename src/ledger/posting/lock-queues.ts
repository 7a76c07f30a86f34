import type { AccountId } from '../../db/ids.ts'
import { SQLSTATE, sqlstateOf } from '../../db/sqlstate.ts'
import type { Posting } from '../model/posting.ts'
import type { BatchResult } from './batch.ts'
import type { PendingCall } from './pending-call.ts'

/*
 * Lock queues, one for each account that another process has locked. A call in a lock queue waits for that account and
 * locks no other account meanwhile, so it delays nobody else. Later calls for the account wait behind it.
 *
 *   no queue → waiting     a first call finds the account locked
 *   waiting → running      the account is locked by us: all waiting calls run as one batch, without accounts that are locked
 *   running → waiting      more calls have come, or another process locked the account again
 *   waiting → no queue     the queue is empty: the account's calls go through the lanes again
 *
 * A call for two locked accounts moves to the other queue when it got the first lock and not the second. A call that began
 * to wait more than WAITS_MAX times could go on for ever, so it then waits for both accounts, in the order of their ids, as
 * all callers do.
 */

export interface LockQueueHandlers {
  /** Waits `waitMs` for each of the accounts, then runs the calls that `take` gives. */
  run(accountIds: readonly AccountId[], waitMs: number, take: () => (readonly Posting[])[]): Promise<BatchResult>
  /** Answers the calls of a batch that ran. Calls that found another account locked come back through `enter`. */
  settle(calls: readonly PendingCall[], result: BatchResult): void
  /** Called with calls whose batch failed: they go back to the lanes, or are answered. */
  failed(calls: readonly PendingCall[], error: unknown): void
  /** Called when a call begins to wait. */
  entered(): void
  /** Called when a call's deadline is over. */
  expired(call: PendingCall): void
  /** Called when the queue is full. */
  refused(call: PendingCall): void
}

/** A call that began to wait more often waits for all its accounts together. */
const WAITS_MAX = 2
/** How long it waits for each of them at first. Each further attempt waits twice as long, up to BOTH_WAIT_MAX_MS. */
const BOTH_WAIT_MS = 200
const BOTH_WAIT_MAX_MS = 2_000
/**
 * The length limit applies only once the account has been locked for this long: our own lanes and lock queues also lock
 * accounts, for moments, and all callers may want that account.
 */
const MOMENT_MS = 1_000
/** New calls come all the time: it does not pay to wait for less. */
const WAIT_MIN_MS = 1_000

interface LockQueue {
  readonly accountId: AccountId
  /** The calls that wait, in the order in which they run. */
  readonly calls: PendingCall[]
  /** When the account was last locked by us, or the queue was opened. */
  lockedAt: number
}

export class LockQueues {
  readonly #handlers: LockQueueHandlers
  readonly #lengthMax: number
  readonly #batchSizeMax: number
  /** By account. */
  readonly #queues = new Map<AccountId, LockQueue>()

  /** @param lengthMax how many calls may wait for one account. */
  constructor(handlers: LockQueueHandlers, { lengthMax, batchSizeMax }: { lengthMax: number; batchSizeMax: number }) {
    this.#handlers = handlers
    this.#lengthMax = lengthMax
    this.#batchSizeMax = batchSizeMax
  }

  /** The account that a call would have to wait for, if any. */
  accountFor(call: PendingCall): AccountId | undefined {
    return this.#queues.size === 0 ? undefined : call.accountIds.find((id) => this.#queues.has(id))
  }

  enter(accountId: AccountId, call: PendingCall): void {
    this.#handlers.entered()
    call.move({ type: 'locked', accountId })
    const queue = this.#queues.get(accountId)
    if (!queue) {
      const opened = { accountId, calls: [call], lockedAt: performance.now() }
      this.#queues.set(accountId, opened)
      void this.#serve(opened)
    } else if (queue.calls.length < this.#lengthMax || performance.now() < queue.lockedAt + MOMENT_MS)
      queue.calls.push(call)
    else this.#handlers.refused(call)
  }

  /** Answers the calls whose deadline is over, also while their queue waits for its account. */
  expire(): void {
    for (const { calls } of this.#queues.values()) this.#expire(calls)
  }

  /** Waits for the account and runs the calls, until the queue is empty. */
  async #serve(queue: LockQueue): Promise<void> {
    const { accountId, calls } = queue
    try {
      for (;;) {
        this.#expire(calls)
        const [first] = calls
        if (!first) break
        // As long as the last deadline of the queue: to give up and try again would lose our place in PostgreSQL's own queue.
        const leftMs = Math.max(...calls.map(({ deadlineAt }) => deadlineAt)) - performance.now()
        const { waits } = first.state
        const isForAll = waits > WAITS_MAX
        const accountIds = isForAll ? first.accountIds : [accountId]
        const waitMs = isForAll
          ? Math.min(leftMs, BOTH_WAIT_MAX_MS, BOTH_WAIT_MS * 2 ** (waits - WAITS_MAX))
          : Math.max(leftMs, WAIT_MIN_MS)
        let taken: PendingCall[] | undefined
        const take = () => {
          queue.lockedAt = performance.now()
          taken = this.#take(calls)
          return taken.map(({ postings }) => postings)
        }
        await this.#handlers.run(accountIds, waitMs, take).then(
          (result) => this.#handlers.settle(taken ?? [], result),
          (error) => {
            const isStillLocked = taken === undefined && sqlstateOf(error) === SQLSTATE.LOCK_NOT_AVAILABLE
            if (!isStillLocked) this.#handlers.failed(taken ?? calls.splice(0), error)
            else if (isForAll && calls[0] === first) {
              // The other calls go first, since they may wait for this account alone.
              calls.push(...calls.splice(0, 1))
              first.move({ type: 'passed over' })
            }
          },
        )
      }
    } finally {
      this.#queues.delete(accountId)
    }
  }

  #take(calls: PendingCall[]): PendingCall[] {
    this.#expire(calls)
    const taken = calls.splice(0, this.#sizeOfBatch(calls))
    for (const call of taken) call.move({ type: 'taken' })
    return taken
  }

  /** How many calls at the front make a batch. A call that must run alone is a batch of its own. */
  #sizeOfBatch(calls: readonly PendingCall[]): number {
    let postings = 0
    const end = calls.findIndex((call) => {
      postings += call.postings.length
      return call.state.isAlone || postings > this.#batchSizeMax
    })
    return end === -1 ? calls.length : Math.max(1, end)
  }

  #expire(calls: PendingCall[]): void {
    const now = performance.now()
    const late = calls.filter(({ deadlineAt }) => deadlineAt <= now)
    if (late.length === 0) return
    calls.splice(0, calls.length, ...calls.filter(({ deadlineAt }) => deadlineAt > now))
    for (const call of late) this.#handlers.expired(call)
  }
}
