import { isSchemaNewer, isTimeout, remedyFor } from '../../db/sqlstate.ts'
import type { FeedFailure } from '../model/feed-errors.ts'

/** Reads in a row that fail although the database can be reached. */
const FAILURES_MAX = 3

/**
 * Decides when to stop trying a read again. A subscriber waits for a database that is away, however long that takes, and on a
 * schema that is newer than this server until the server is stopped. If the database is there and the read fails again and
 * again, waiting would only hide the error.
 */
export class Patience {
  #failureCount = 0

  /** @returns why to give up; undefined: try again. */
  failed(error: unknown): FeedFailure | undefined {
    if (isSchemaNewer(error) || (remedyFor(error) === 'reconnect' && !isTimeout(error))) return undefined
    this.#failureCount++
    if (this.#failureCount < FAILURES_MAX) return undefined
    this.#failureCount = 0
    return isTimeout(error) ? 'timed-out' : 'failed'
  }

  succeeded(): void {
    this.#failureCount = 0
  }
}
