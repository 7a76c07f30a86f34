import { setTimeout as pause } from 'node:timers/promises'
import { isTemporary, SQLSTATE, sqlstateOf } from '../../db/sqlstate.ts'
import { NotConnectedError, OutcomeUnknownError } from '../../db/transaction.ts'
import { UnavailableError } from '../model/unavailable.ts'
import { ClockBehindError, KeyTakenError } from './batch.ts'

/** Failed database transactions after which a call is given up. */
export const ATTEMPTS_MAX = 10
/** Failed database transactions after which a call runs in a batch of its own: another call may be the cause. */
export const ATTEMPTS_TOGETHER_MAX = 2

const PAUSE_FIRST_MS = 10
const PAUSE_MAX_MS = 1_000

/** How long to pause after a number of failures: full jitter, from 0 to a bound that doubles each time. */
export function pauseMsAfter(failures: number): number {
  return Math.random() * Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** failures)
}

/** Whether the same calls may succeed when they run again. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof KeyTakenError ||
    error instanceof ClockBehindError ||
    error instanceof OutcomeUnknownError ||
    isTemporary(error)
  )
}

/**
 * Runs a database transaction, and runs it again while its failure may pass. It holds no connection between two attempts.
 *
 * @param deadlineAt by the clock of `performance`.
 * @param attempt is given how much time is left. Run twice, it must do no more than once.
 * @throws {UnavailableError} when the time or the attempts are used up. Any other error is a fault.
 */
export async function retrying<Result>(
  deadlineAt: number,
  attempt: (leftMs: number) => Promise<Result>,
): Promise<Result> {
  let [attempts, failures, isUnknown] = [0, 0, false]
  let cause: unknown
  for (;;) {
    const leftMs = deadlineAt - performance.now()
    if (attempts >= ATTEMPTS_MAX || leftMs <= 0)
      throw new UnavailableError(isUnknown ? 'OUTCOME_UNKNOWN' : 'RETRIES_EXHAUSTED', { cause })
    try {
      return await attempt(leftMs)
    } catch (error) {
      if (!isPassing(error)) throw error
      // While the database is away, or something else has the lock, only the deadline counts.
      const isWait = error instanceof NotConnectedError || sqlstateOf(error) === SQLSTATE.LOCK_NOT_AVAILABLE
      if (!isWait) attempts++
      isUnknown ||= error instanceof OutcomeUnknownError
      cause = error
      await pause(Math.min(pauseMsAfter(++failures), Math.max(0, deadlineAt - performance.now())))
    }
  }
}
