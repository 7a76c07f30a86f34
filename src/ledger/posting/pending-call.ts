import type { AccountId } from '../../db/ids.ts'
import type { CallOutcome, Posting } from '../model/posting.ts'
import { accountsOf } from '../model/sides.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { ClockBehindError } from './batch.ts'
import { type CallEvent, type CallState, nextState, QUEUED } from './call-state.ts'
import type { Submitter } from './submitters.ts'

/**
 * A call without an answer: one posting, or several that are posted together or not at all. Whatever takes it from one
 * place to another says so with `move`.
 */
export class PendingCall {
  readonly submitter: Submitter
  readonly postings: readonly Posting[]
  /** Its accounts and keys. Two batches in flight never share one. */
  readonly claims: readonly string[]
  /** In milliseconds of `performance.now()`, which changes of the system clock do not affect. */
  readonly deadlineAt: number
  readonly answer: Promise<CallOutcome>
  #state = QUEUED
  #resolve!: (outcome: CallOutcome) => void
  #reject!: (error: unknown) => void

  constructor(submitter: Submitter, postings: readonly Posting[], deadlineAt: number) {
    this.submitter = submitter
    this.postings = postings
    this.claims = postings.flatMap((posting) => [posting.idempotencyKey, ...accountsOf(posting)])
    this.deadlineAt = deadlineAt
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get state(): CallState {
    return this.#state
  }

  get accountIds(): AccountId[] {
    return this.postings.flatMap(accountsOf)
  }

  /** Whether it is certain that nothing of this call was written. */
  get isDefinitelyNotPosted(): boolean {
    return this.#state.unknownOutcome === undefined
  }

  /** The last failure, if it should be reported and only time can fix it. */
  get alert(): ClockBehindError | undefined {
    const { lastFailure } = this.#state
    return lastFailure instanceof ClockBehindError ? lastFailure : undefined
  }

  /** The only way to another state. */
  move(event: CallEvent): void {
    this.#state = nextState(this.#state, event)
  }

  settle(outcome: CallOutcome): void {
    this.move({ type: 'answered' })
    this.#resolve(outcome)
  }

  /**
   * Answers with an error, by default RETRIES_EXHAUSTED. If the outcome of an attempt is unknown, the answer is
   * OUTCOME_UNKNOWN.
   */
  giveUp(error: unknown = new UnavailableError('RETRIES_EXHAUSTED', { cause: this.#state.lastFailure })): void {
    this.move({ type: 'answered' })
    const { unknownOutcome } = this.#state
    this.#reject(unknownOutcome ? new UnavailableError('OUTCOME_UNKNOWN', { cause: unknownOutcome }) : error)
  }
}
