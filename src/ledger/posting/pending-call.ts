import { SQLSTATE, sqlstateOf } from '../../db/sqlstate.ts'
import { NotConnectedError, OutcomeUnknownError } from '../../db/transaction.ts'
import type { CallOutcome, Posting } from '../model/posting.ts'
import { accountsOf } from '../model/sides.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { ClockBehindError } from './batch.ts'
import type { Submitter } from './submitters.ts'

/** A query is also canceled by the statement's own timeout. */
const LOCKED: ReadonlySet<string> = new Set([SQLSTATE.LOCK_NOT_AVAILABLE, SQLSTATE.QUERY_CANCELED])

/**
 * A call without an answer: one posting, or several that are posted together or not at all. It knows how often it was tried,
 * and takes the answer. Its place (the queue, a batch, a lock queue, a pause) is known to whatever holds it.
 */
export class PendingCall {
  readonly submitter: Submitter
  readonly postings: readonly Posting[]
  /** Its accounts and keys. Two batches in flight never share one. */
  readonly claims: readonly string[]
  /** In milliseconds of `performance.now()`, which changes of the system clock do not affect. */
  readonly deadlineAt: number
  readonly answer: Promise<CallOutcome>
  /** Database transactions that failed. */
  attempts = 0
  /** Failed database transactions and failed connections. The pauses grow with them. */
  failures = 0
  /** How often it moved to another lock queue, and the last of them. */
  moves = 0
  lastLockQueue: string | undefined
  /** Attempts that failed because of a lock. */
  lockFailures = 0
  /** It runs in a batch of its own, because a batch with it failed. */
  isAlone = false
  /** Set when the outcome of an attempt is unknown. Only a definite answer ends that; another failure does not. */
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

  /** Counts a failed attempt. */
  note(error: unknown): void {
    this.failures++
    // A transaction that never began is no attempt: while the database is away only the deadline counts.
    if (!(error instanceof NotConnectedError)) this.attempts++
    if (LOCKED.has(sqlstateOf(error) ?? '')) this.lockFailures++
    this.#lastFailure = error
    if (error instanceof OutcomeUnknownError) this.#unknown = error
  }

  settle(outcome: CallOutcome): void {
    this.#resolve(outcome)
  }

  /** Whether it is certain that nothing of this call was written. */
  get isDefinitelyNotPosted(): boolean {
    return this.#unknown === undefined
  }

  /** The last failure, if it should be reported and only time can fix it. */
  get alert(): ClockBehindError | undefined {
    return this.#lastFailure instanceof ClockBehindError ? this.#lastFailure : undefined
  }

  /**
   * Answers with an error, by default RETRIES_EXHAUSTED. If the outcome of an attempt is unknown, the answer is
   * OUTCOME_UNKNOWN.
   */
  giveUp(error: unknown = new UnavailableError('RETRIES_EXHAUSTED', { cause: this.#lastFailure })): void {
    this.#reject(this.#unknown ? new UnavailableError('OUTCOME_UNKNOWN', { cause: this.#unknown }) : error)
  }
}
