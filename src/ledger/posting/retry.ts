import { remedyFor } from '../../db/sqlstate.ts'
import { OutcomeUnknownError } from '../../db/transaction.ts'
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
    remedyFor(error) !== 'fault'
  )
}
