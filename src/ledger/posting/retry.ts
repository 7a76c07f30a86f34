import { remedyFor } from '../../db/sqlstate.ts'
import { OutcomeUnknownError } from '../../db/transaction.ts'
import { ClockBehindError, KeyTakenError } from './batch.ts'

/** Database transactions that may fail for one call. */
export const ATTEMPTS_MAX = 10
/** After so many of them a call is run in a batch of its own: one of the batch may be the cause. */
export const ATTEMPTS_TOGETHER_MAX = 2

const PAUSE_FIRST_MS = 10
const PAUSE_MAX_MS = 1_000

/** How long to pause after the so-manieth failure: full jitter, anything from nothing to a bound that doubles each time. */
export function pauseMsAfter(failures: number): number {
  return Math.random() * Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** failures)
}

/** True when the same calls may succeed if they are run again. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof KeyTakenError ||
    error instanceof ClockBehindError ||
    error instanceof OutcomeUnknownError ||
    remedyFor(error) !== 'fault'
  )
}
