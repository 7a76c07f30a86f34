import type pg from 'pg'
import type { Posted } from '../model/posting.ts'
import type { Attempts } from '../upkeep/attempts.ts'
import type { Checkpoints } from '../upkeep/checkpoints.ts'
import type { BatchLimits } from './batch.ts'

/** What a posting engine works with, and its limits. */
export interface PostingOptions {
  /** Pipelining; a connection for each lane, and one more. */
  pool: pg.Pool
  /** For waiting on locked accounts. */
  waitingPool: pg.Pool
  checkpoints: Checkpoints
  attempts: Attempts
  /** How long one call may take, attempts and pauses together. */
  deadlineMs: number
  clockAheadMaxMs: number
  /** How many batches may be in flight at once. */
  lanesMax: number
  /** Postings in a batch; a call with more is a batch of its own. */
  batchSizeMax: number
  /** Postings that may be without an answer at once. */
  queueLengthMax: number
  /** How long a batch waits for an account that somebody else has locked before it goes on without. */
  batchLockWaitMs: number
  /** Called with what was posted, in order: after COMMIT, before the callers are answered. */
  onPosted: (posted: readonly Posted[]) => void
  /** Called with faults and alerts; never with anything secret. */
  onError: (error: unknown) => void
}

/** The limits of one batch. The lock timeout must fire first: its error says that a lock is the cause. */
export function batchLimits(
  { deadlineMs, clockAheadMaxMs }: PostingOptions,
  lockTimeoutMs: number,
  statementTimeoutMs: number,
): BatchLimits {
  return {
    lockTimeoutMs: Math.min(lockTimeoutMs, statementTimeoutMs - 10),
    statementTimeoutMs,
    idleTimeoutMs: deadlineMs,
    clockAheadMaxMs,
  }
}
