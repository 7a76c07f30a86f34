import { isTimeout, remedyFor } from '../../db/sqlstate.ts'
import type { FeedFailure } from '../model/feed-errors.ts'

/** Reads in a row that fail although the database can be reached. */
const FAILURES_MAX = 3

/**
 * Tells when it is of no use to try a read again. A database that is away is waited for, however long; one that is there
 * and fails again and again would never be heard of by whoever waits.
 */
export class Patience {
  #failureCount = 0

  /** @returns why to give up; undefined: try again. */
  failed(error: unknown): FeedFailure | undefined {
    if (remedyFor(error) === 'reconnect' && !isTimeout(error)) return undefined
    this.#failureCount++
    if (this.#failureCount < FAILURES_MAX) return undefined
    this.#failureCount = 0
    return isTimeout(error) ? 'timed-out' : 'failed'
  }

  succeeded(): void {
    this.#failureCount = 0
  }
}
