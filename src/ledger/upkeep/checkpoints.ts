import type pg from 'pg'
import type { AccountId } from '../../db/ids.ts'
import type { Database } from '../../db/pool.ts'
import { inTransaction } from '../../db/transaction.ts'
import type { Tail } from '../model/head.ts'
import { insertCheckpoints } from '../statements/insert-checkpoints.ts'
import { insertMissingCheckpoints } from '../statements/insert-missing-checkpoints.ts'
import { readCheckpointGaps } from '../statements/read-checkpoint-gaps.ts'

/*
 * Checkpoints are memoised sums: they keep the cost of a balance flat as its account grows. They are written after a
 * posting, outside its database transaction, so they never delay it. No answer depends on them: the next posting to the
 * account notes a checkpoint that was not written, and a read that meets a long gap fills it.
 */

/** Entries between checkpoints. Fewer make heads cheaper to read, and cost more rows (docs/performance.md). */
export const CHECKPOINT_INTERVAL = 16
/** Checkpoints written in one statement. */
const ROWS_MAX = 500
/** Entries in a gap that is filled. A busy account has shorter gaps by itself, for moments. */
export const GAP_LENGTH_MIN = 8 * CHECKPOINT_INTERVAL
/** A tail is never this long, unless its checkpoints were deleted. */
const TAIL_MAX = 16 * GAP_LENGTH_MIN
/** Gaps that wait to be filled. Later reads find the others again. */
const GAPS_MAX = 1_000
/** How long filling pauses after an error. */
const PAUSE_MS = 60_000
/** Another process may have locked the rows: filling must not wait long, nor keep the server from closing. */
const FILL_LIMITS = { lockTimeoutMs: 1_000, statementTimeoutMs: 10_000, idleTimeoutMs: 10_000 }

/** The entries after number `low` (a checkpoint, or 0) up to `high`, without a checkpoint in between. */
export interface CheckpointGap {
  accountId: AccountId
  low: number
  high: number
}

export class Checkpoints {
  readonly #database: Database
  readonly #fillingPool: pg.Pool
  readonly #onError: (error: unknown) => void
  /** The newest tail of each account that needs a checkpoint. */
  readonly #due = new Map<AccountId, Tail>()
  /** The sequences of the checkpoints that are being written, by account. */
  #inFlight: ReadonlyMap<AccountId, number> = new Map()
  #writing: Promise<void> | undefined
  /** At most one an account, including the one being filled. */
  readonly #gaps = new Map<AccountId, CheckpointGap>()
  #filling: Promise<void> | undefined
  #pausedUntil = 0
  #closed = false

  /** @param fillingPool for long work, which must not delay what is written after each posting. */
  constructor(database: Database, fillingPool: pg.Pool, onError: (error: unknown) => void) {
    this.#database = database
    this.#fillingPool = fillingPool
    this.#onError = onError
  }

  /** Notes the tails that a posting found, and writes the checkpoints that are due, in the background. */
  note(tails: readonly Tail[]): void {
    for (const tail of tails) {
      const { accountId, sequence, length } = tail
      // The checkpoint being written now, if there is one, shortens this tail. The posting did not see it.
      const lastCheckpoint = this.#inFlight.get(accountId) ?? sequence - length
      if (sequence - lastCheckpoint >= CHECKPOINT_INTERVAL) this.#due.set(accountId, tail)
      // One checkpoint at its end would leave a long gap for reads of the past.
      if (length >= TAIL_MAX) this.noteGap({ accountId, low: sequence - length, high: sequence })
    }
    if (this.#due.size > 0) {
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined
      })
    }
  }

  /** Notes a gap that a read had to sum up. A long one is filled with checkpoints, in the background. */
  noteGap(gap: CheckpointGap): void {
    if (gap.high - gap.low < GAP_LENGTH_MIN || this.#closed || performance.now() < this.#pausedUntil) return
    if (this.#gaps.has(gap.accountId) || this.#gaps.size >= GAPS_MAX) return
    this.#gaps.set(gap.accountId, gap)
    this.#filling ??= this.#fill()
  }

  /** Waits for the checkpoints that are being written. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.#writing, this.#filling])
  }

  async #fill(): Promise<void> {
    const insert: InsertMissing = (part) =>
      inTransaction(this.#fillingPool, FILL_LIMITS, (tx) => insertMissingCheckpoints(tx).execute(part))
    for (const [accountId, gap] of this.#gaps) {
      try {
        await fillGap(insert, gap, () => this.#closed)
      } catch (error) {
        this.#onError(error)
        this.#pausedUntil = performance.now() + PAUSE_MS
        this.#gaps.clear()
      }
      this.#gaps.delete(accountId)
    }
    this.#filling = undefined
  }

  async #write(): Promise<void> {
    while (this.#due.size > 0) {
      const tails = [...this.#due.values()].slice(0, ROWS_MAX)
      this.#inFlight = new Map(tails.map(({ accountId, sequence }) => [accountId, sequence]))
      for (const accountId of this.#inFlight.keys()) this.#due.delete(accountId)
      try {
        await insertCheckpoints(this.#database).execute({
          accountIds: tails.map((tail) => tail.accountId),
          sequences: tails.map((tail) => tail.sequence),
          balances: tails.map((tail) => tail.balance.toString()),
          throughs: tails.map((tail) => tail.createdAt),
          transactionIds: tails.map((tail) => tail.transactionId),
        })
      } catch (error) {
        this.#onError(error)
        return
      } finally {
        this.#inFlight = new Map()
      }
    }
  }
}

/** Entries summed up in one statement. While a statement runs, no read as of a later moment is settled, so it must be short. */
const ENTRIES_AT_ONCE = 5_000

/**
 * Fills every long gap with checkpoints, while postings go on.
 *
 * @returns how many gaps were filled.
 */
export async function rebuildCheckpoints(database: Database): Promise<number> {
  const gaps = await readCheckpointGaps(database).execute({ length: 2 * CHECKPOINT_INTERVAL })
  for (const gap of gaps) await fillGap((part) => insertMissingCheckpoints(database).execute(part), gap)
  return gaps.length
}

type InsertMissing = (part: { accountId: AccountId; low: number; high: number; interval: number }) => Promise<unknown>

async function fillGap(insert: InsertMissing, gap: CheckpointGap, isOver = () => false): Promise<void> {
  const { accountId, low, high } = gap
  for (let start = low; start < high && !isOver(); start += ENTRIES_AT_ONCE) {
    await insert({
      accountId,
      low: start,
      high: Math.min(high, start + ENTRIES_AT_ONCE),
      interval: CHECKPOINT_INTERVAL,
    })
  }
}
