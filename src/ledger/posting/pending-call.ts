import { sqlstateOf } from '../../db/sqlstate.ts'
import { NotConnectedError, OutcomeUnknownError } from '../../db/transaction.ts'
import { accountsOf, type CallOutcome, type Posting } from '../model/posting.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { ClockBehindError } from './batch.ts'
import type { Submitter } from './submitters.ts'

/** lock_not_available, and query_canceled by the statement's own timeout. */
const LOCKED: ReadonlySet<string> = new Set(['55P03', '57014'])

/**
 * A call that has no answer yet: one posting, or several that are posted together or not at all. It knows how often it
 * was tried and its final answer; where it is (the queue, a batch, a lock queue, a pause) is known to
 * whoever holds it.
 */
export class PendingCall {
  readonly submitter: Submitter
  readonly postings: readonly Posting[]
  /** Its accounts and keys. No two batches in flight have one of these in common. */
  readonly claims: readonly string[]
  /** In the milliseconds of `performance.now()`, which no step of the clock changes. */
  readonly deadlineAt: number
  readonly answer: Promise<CallOutcome>
  /** Database transactions that failed. */
  attempts = 0
  /** The same, and connections that could not be had: pauses grow with these. */
  failures = 0
  /** How often it went into another lock queue, and which was the last. */
  moves = 0
  lastLockQueue: string | undefined
  /** Attempts that failed since something stayed locked. */
  lockFailures = 0
  /** To be run in a batch of its own, since a batch with it has failed. */
  isAlone = false
  /** Once an attempt's outcome is unknown, only a definite answer makes it known again: a failure to ask does not. */
  #unknown: OutcomeUnknownError | undefined
  #lastFailure: unknown
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

  get accountIds(): string[] {
    return this.postings.flatMap(accountsOf)
  }

  /** An attempt failed. */
  note(error: unknown): void {
    this.failures++
    // Not even begun is no attempt: a database that is away for a while costs time, and nothing else.
    if (!(error instanceof NotConnectedError)) this.attempts++
    if (LOCKED.has(sqlstateOf(error) ?? '')) this.lockFailures++
    this.#lastFailure = error
    if (error instanceof OutcomeUnknownError) this.#unknown = error
  }

  settle(outcome: CallOutcome): void {
    this.#resolve(outcome)
  }

  /** Nothing of this call was ever written, and that is certain. */
  get isDefinitelyNotPosted(): boolean {
    return this.#unknown === undefined
  }

  /** The last failure was one that only time can fix, and that should be reported. */
  get alert(): ClockBehindError | undefined {
    return this.#lastFailure instanceof ClockBehindError ? this.#lastFailure : undefined
  }

  /**
   * Answers with an error, of ours or PostgreSQL's own; without one, that it could not be done in time. But while an
   * attempt's outcome is not known, that is the answer.
   */
  giveUp(error: unknown = new UnavailableError('RETRIES_EXHAUSTED', { cause: this.#lastFailure })): void {
    this.#reject(this.#unknown ? new UnavailableError('OUTCOME_UNKNOWN', { cause: this.#unknown }) : error)
  }
}
