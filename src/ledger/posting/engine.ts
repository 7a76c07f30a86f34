import { EventEmitter, once } from 'node:events'
import { toTransactionId } from '../../db/ids.ts'
import { isSchemaNewer } from '../../db/sqlstate.ts'
import { OutcomeUnknownError } from '../../db/transaction.ts'
import type { FailureCode } from '../model/failed-transaction.ts'
import type { CallOutcome, Outcome, Posted, PostingRequest } from '../model/posting.ts'
import { PostingCounts } from '../model/posting-counts.ts'
import { REFUSAL_MESSAGES } from '../model/refusal.ts'
import { makeRowId } from '../model/row-id.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { AccountsLockedError, type BatchResult, runBatch, runBatchAround } from './batch.ts'
import { Lanes } from './lanes.ts'
import { LockQueues } from './lock-queues.ts'
import { batchLimits, type PostingOptions } from './options.ts'
import { PendingCall } from './pending-call.ts'
import { ATTEMPTS_MAX, isPassing, pauseMsAfter } from './retry.ts'
import { Submitters } from './submitters.ts'

/*
 * The posting engine. Postings gather while the batch before them is in flight. A batch is one database transaction with
 * ordered row locks, so its postings share the cost of locks, round trips and the flush to disk.
 *
 * A call is one posting, or several that are posted together or not at all. It goes through these phases, and its state
 * (call-state.ts) says in which it is:
 *
 *   phase   state      what happens                                                            then
 *   admit              its submitter has space in the queue, or it is refused (submitters.ts)  gather
 *   gather  queued     it waits for its turn, and for its accounts (fair-queue.ts)             run, wait
 *   run     in flight  a lane (lanes.ts) runs its batch: lock, look, judge, insert, commit     settle, wait, pause
 *   wait    waiting    another process has locked one of its accounts (lock-queues.ts)         run, pause
 *   pause   pausing    its batch failed; it holds no lock until it is tried again (retry.ts)   gather
 *   settle  answered   subscribers are notified and its caller is answered; then failed
 *                      attempts and checkpoints are written, in the background
 *
 * A call whose deadline is over goes on to settle from any phase.
 *
 * Promises: every call is answered once. Success is answered after COMMIT. A call that fails does not make others fail.
 * Calls of one submitter that share an account or a key are judged in the order of their arrival, except those that wait
 * for a lock or pause. Submitters share the queue fairly.
 */

/** How often the queues are searched for calls whose deadline is over. */
const SIFT_INTERVAL_MS = 250
/** The longest time that a batch waits for one lock. */
const LOCK_WAIT_MAX_MS = 1_000
/** The share of the queue that may wait for one locked account. */
const LOCK_QUEUE_SHARE = 0.1

/** The submitter of the server's own postings. */
const SERVER = 'server'

export class PostingEngine {
  readonly #options: PostingOptions
  readonly #lanes: Lanes
  readonly #lockQueues: LockQueues
  readonly #submitters: Submitters
  readonly counts = new PostingCounts()
  #sifting: NodeJS.Timeout | undefined
  readonly #events = new EventEmitter()

  constructor(options: PostingOptions) {
    this.#options = options
    const { batchSizeMax, queueLengthMax } = options
    this.#submitters = new Submitters(queueLengthMax)
    this.#lanes = new Lanes({ run: (batch) => this.#run(batch), divert: (call) => this.#divert(call) }, options)
    this.#lockQueues = new LockQueues(
      {
        run: (accountIds, waitMs, take) => {
          const limits = batchLimits(options, waitMs, waitMs + options.deadlineMs)
          return runBatchAround(options.waitingPool, limits, accountIds, take)
        },
        settle: (calls, result) => this.#settle(calls, result, true),
        failed: (calls, error) => this.#failed(calls, error),
        entered: () => void this.counts.lockWaits++,
        expired: (call) => this.#giveUp(call),
        refused: (call) => call.giveUp(new UnavailableError('OVERLOADED')),
      },
      { lengthMax: Math.ceil(queueLengthMax * LOCK_QUEUE_SHARE), batchSizeMax },
    )
  }

  /**
   * Posts, replays or refuses.
   *
   * @param submitter the key of whoever posts. Submitters share the queue fairly.
   * @throws {UnavailableError} when the posting could not be made in time, or its outcome is unknown.
   */
  async post(request: PostingRequest, submitter = SERVER): Promise<Outcome> {
    const outcome = await this.#call([request], submitter)
    return 'refusal' in outcome ? { refusal: outcome.refusal } : { posted: outcome.posted[0] as Posted }
  }

  /**
   * Posts all or none, in the given order. A posting with a known key and the same payload is replayed. The first posting
   * that is refused refuses them all. Each key may occur only once.
   *
   * @throws {UnavailableError} as `post` does, for all postings together.
   */
  async postTogether(requests: readonly PostingRequest[], submitter = SERVER): Promise<CallOutcome> {
    if (new Set(requests.map(({ idempotencyKey }) => idempotencyKey)).size < requests.length)
      throw new TypeError('an idempotency key is there twice')
    return requests.length === 0 ? { posted: [] } : this.#call(requests, submitter)
  }

  /** Postings that are not answered yet. */
  get unansweredCount(): number {
    return this.#submitters.unanswered
  }

  /** Resolves when every call is answered. New calls are still accepted. */
  async idle(): Promise<void> {
    while (this.unansweredCount > 0) await once(this.#events, 'idle')
  }

  async #call(requests: readonly PostingRequest[], key: string): Promise<CallOutcome> {
    const submitter = this.#submitters.admit(key, requests.length)
    if (!submitter) throw this.counts.noteFailure(requests, new UnavailableError('OVERLOADED'))
    const call = new PendingCall(
      submitter,
      requests.map((request) => ({ ...request, id: toTransactionId(makeRowId()) })),
      performance.now() + this.#options.deadlineMs,
    )
    this.#sifting ??= setInterval(() => this.#sift(), SIFT_INTERVAL_MS)
    this.#lanes.enter(call)
    try {
      const outcome = await call.answer
      this.counts.noteAnswer(requests, outcome)
      return outcome
    } catch (error) {
      throw this.counts.noteFailure(requests, error)
    } finally {
      this.#submitters.release(submitter, requests.length)
      if (this.unansweredCount === 0) {
        clearInterval(this.#sifting)
        this.#sifting = undefined
        this.#events.emit('idle')
      }
    }
  }

  #sift(): void {
    this.#lanes.sift()
    this.#lockQueues.expire()
  }

  /** Takes a call out of the lanes when its deadline is over, or when one of its accounts is known to be locked. */
  #divert(call: PendingCall): boolean {
    if (call.deadlineAt <= performance.now()) {
      this.#giveUp(call)
      return true
    }
    const lockedAccountId = this.#lockQueues.accountFor(call)
    if (lockedAccountId === undefined) return false
    this.#lockQueues.enter(lockedAccountId, call)
    return true
  }

  /** Runs a batch. If an account stays locked, it runs again without the calls for locked accounts. */
  async #run(batch: PendingCall[]): Promise<void> {
    const { pool, batchLockWaitMs } = this.#options
    const leftMs = Math.max(...batch.map(({ deadlineAt }) => deadlineAt)) - performance.now()
    // The whole table may be locked: a batch whose calls all met a lock before waits longer.
    const lockFailures = Math.min(...batch.map(({ state }) => state.lockFailures))
    const limits = batchLimits(this.#options, Math.min(LOCK_WAIT_MAX_MS, batchLockWaitMs * 2 ** lockFailures), leftMs)
    const calls = batch.map(({ postings }) => postings)
    await runBatch(pool, limits, calls)
      .catch((error) => {
        if (error instanceof AccountsLockedError) return runBatchAround(pool, limits, [], () => calls)
        throw error
      })
      .then(
        (result) => this.#settle(batch, result),
        (error) => this.#failed(batch, error),
      )
  }

  #settle(calls: readonly PendingCall[], { verdicts, tails }: BatchResult, isFromLockQueue = false): void {
    const { onPosted, checkpoints } = this.#options
    this.counts.noteBatch(calls.reduce((size, { postings }) => size + postings.length, 0))
    const posted = verdicts.flatMap((verdict) =>
      'outcome' in verdict && 'posted' in verdict.outcome ? verdict.outcome.posted : [],
    )
    onPosted(posted.filter(({ replayed }) => !replayed))
    for (const [index, verdict] of verdicts.entries()) {
      const call = calls[index] as PendingCall
      if ('lockedAccountId' in verdict) {
        // The lock is one of our own lanes' and ends soon. A lock of another process may last.
        if (isFromLockQueue && this.#lanes.isClaimed(verdict.lockedAccountId)) this.#lanes.reenter([call])
        else this.#lockQueues.enter(verdict.lockedAccountId, call)
      }
      if ('failure' in verdict) this.#failed([call], verdict.failure)
      if ('outcome' in verdict) {
        call.settle(verdict.outcome)
        if ('refusal' in verdict.outcome) {
          const { refusal, index: at } = verdict.outcome
          this.#record(call, refusal.code, REFUSAL_MESSAGES[refusal.code], at)
        }
      }
    }
    checkpoints.note(tails)
  }

  /** Called when an attempt wrote nothing, or its outcome is unknown. Each call is tried again or answered. */
  #failed(calls: readonly PendingCall[], error: unknown): void {
    const isFault = !isPassing(error)
    for (const call of calls) call.move({ type: 'failed', error })
    if (error instanceof OutcomeUnknownError) this.counts.unknownOutcomes++
    const isOfAll = calls.length === 1 || isSchemaNewer(error)
    if (isFault && isOfAll) for (const call of calls) this.#fault(call, error)
    else this.#again(calls, isFault)
  }

  /** Tries calls again: after a fault each one alone and at once, since one of them may be the cause; else after a pause. */
  #again(calls: readonly PendingCall[], isFault: boolean): void {
    const again = calls.filter((call) => {
      const isOver = call.state.attempts >= ATTEMPTS_MAX || call.deadlineAt <= performance.now()
      if (isOver) this.#giveUp(call)
      return !isOver
    })
    const leftMs = Math.min(...again.map(({ deadlineAt }) => deadlineAt)) - performance.now()
    const pauseMs = isFault ? 0 : pauseMsAfter(Math.max(...again.map(({ state }) => state.failures)))
    this.counts.retries += again.length
    if (again.length > 0) setTimeout(() => this.#lanes.reenter(again), Math.min(pauseMs, leftMs))
  }

  #fault(call: PendingCall, error: unknown): void {
    this.#options.onError(error)
    call.giveUp(error)
    // A newer schema says nothing of the posting, which the new version may accept.
    if (call.isDefinitelyNotPosted && !isSchemaNewer(error))
      this.#record(call, 'INTERNAL_SERVER_ERROR', 'Server error. Nothing was posted.')
  }

  #giveUp(call: PendingCall): void {
    if (call.alert) this.#options.onError(call.alert)
    call.giveUp()
    if (call.isDefinitelyNotPosted)
      this.#record(call, 'RETRIES_EXHAUSTED', 'The ledger could not be reached, or was busy for too long.')
  }

  /** @param index which posting of the call failed; undefined: all of them. */
  #record(call: PendingCall, code: FailureCode, message: string, index?: number): void {
    const postings = index === undefined ? call.postings : call.postings.slice(index, index + 1)
    const { attempts: failed } = call.state
    const attempts = index === undefined ? Math.max(1, failed) : failed + 1
    for (const posting of postings) {
      this.#options.attempts.record({ posting, code, message, attempts }, call.submitter.key)
    }
  }
}
