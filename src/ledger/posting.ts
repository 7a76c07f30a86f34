import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { v7 as uuidv7 } from 'uuid'
import { remedyFor } from '../db/sqlstate.ts'
import { OutcomeUnknownError } from '../db/transaction.ts'
import { ClockBehindError, KeyTakenError, runBatch } from './batch.ts'
import type { Outcome, Posted, Posting } from './fold.ts'
import { UnavailableError } from './unavailable.ts'

/*
 * The posting engine. Each posting is one database transaction with ordered row locks (batch.ts), tried again while
 * that can help and the operation's deadline allows. Ids are made before the first attempt and kept, so a re-run that
 * finds its own row knows that it had been committed after all.
 */

const ATTEMPTS_MAX = 10
/** Full jitter: each pause is anything from nothing to this bound, which doubles with each attempt. */
const PAUSE_FIRST_MS = 10
const PAUSE_MAX_MS = 1_000

export interface PostingOptions {
  pool: pg.Pool
  /** How long one posting may take, attempts and pauses together. */
  deadlineMs: number
  clockAheadMaxMs: number
  /** Called after COMMIT, before the caller is answered. */
  onPosted: (posted: Posted) => void
  /** Told of faults and alerts; never of anything secret. */
  onTrouble: (error: unknown) => void
}

export type PostingRequest = Omit<Posting, 'id'>

export interface PostingEngine {
  /**
   * Posts, replays or refuses.
   *
   * @throws {UnavailableError} when it could not be posted in time, or when whether it was is not known.
   */
  post(request: PostingRequest): Promise<Outcome>
}

export function createPostingEngine(options: PostingOptions): PostingEngine {
  return {
    async post(request) {
      const outcome = await attempt({ ...request, id: uuidv7() }, options)
      if ('posted' in outcome && !outcome.posted.replayed) options.onPosted(outcome.posted)
      return outcome
    },
  }
}

async function attempt(
  posting: Posting,
  { pool, deadlineMs, clockAheadMaxMs, onTrouble }: PostingOptions,
): Promise<Outcome> {
  const deadlineAt = Date.now() + deadlineMs
  /** Once an attempt's outcome is unknown, only a definite answer makes it known again: a failure to ask does not. */
  let unknown: OutcomeUnknownError | undefined
  let failure: unknown
  /** Worth an alert, whatever the last attempt died of. */
  let clockBehind: ClockBehindError | undefined
  for (let attempts = 1; attempts <= ATTEMPTS_MAX; attempts++) {
    const leftMs = deadlineAt - Date.now()
    if (leftMs <= 0) break
    try {
      const { outcomes } = await runBatch(
        pool,
        { lockTimeoutMs: leftMs, statementTimeoutMs: leftMs, idleTimeoutMs: deadlineMs, clockAheadMaxMs },
        [posting],
      )
      return outcomes[0] as Outcome
    } catch (error) {
      failure = error
      if (error instanceof ClockBehindError) clockBehind = error
      if (error instanceof OutcomeUnknownError) unknown = error
      else if (!isPassing(error)) {
        onTrouble(error)
        break
      }
    }
    await sleep(
      Math.min(
        Math.random() * Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** attempts),
        Math.max(0, deadlineAt - Date.now()),
      ),
    )
  }
  if (clockBehind) onTrouble(clockBehind)
  if (unknown) throw new UnavailableError('OUTCOME_UNKNOWN', { cause: unknown })
  if (failure === undefined || isPassing(failure)) throw new UnavailableError('RETRIES_EXHAUSTED', { cause: failure })
  throw failure
}

/** True when the same batch may succeed if it is run again. */
function isPassing(error: unknown): boolean {
  return error instanceof KeyTakenError || error instanceof ClockBehindError || remedyFor(error) !== 'fault'
}
