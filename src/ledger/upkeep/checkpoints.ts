import type pg from 'pg'
import type { Database } from '../../db/pool.ts'
import { inTransaction } from '../../db/transaction.ts'
import type { Tail } from '../posting/batch.ts'
import { insertCheckpoints } from '../statements/insert-checkpoints.ts'
import { insertMissingCheckpoints } from '../statements/insert-missing-checkpoints.ts'
import { readCheckpointGaps } from '../statements/read-checkpoint-gaps.ts'

/*
 * Checkpoints: the memoised sums that keep the cost of a balance flat as its account grows. They are written after
 * posting, outside the money's transaction and never in its way: one that is not written is noted again by the next
 * posting to its account, and no answer depends on it. Those that somebody deleted are written again where a read meets
 * the long stretch that they left.
 */

/** A tail of so many entries gets a checkpoint: fewer make heads cheaper, and more rows to keep (docs/performance.md). */
export const CHECKPOINT_INTERVAL = 16
/** Written in one statement. */
const ROWS_MAX = 500
/** A read that met a stretch of so many entries has it filled: shorter ones are what a busy account leaves by itself. */
export const STRETCH_MAX = 8 * CHECKPOINT_INTERVAL
/** A tail that no busy account comes to: its checkpoints were deleted. */
const TAIL_MAX = 16 * STRETCH_MAX
/** Stretches that wait to be filled; another read will meet those that are passed over. */
const STRETCHES_MAX = 1_000
/** For how long nothing is filled after that has failed. */
const PAUSE_MS = 60_000
/** Somebody may have locked what is filled: that is no reason to wait long, and none to keep the server from closing. */
const FILL_LIMITS = { lockTimeoutMs: 1_000, statementTimeoutMs: 10_000, idleTimeoutMs: 10_000 }

/** The entries after number `low` (a checkpoint, or 0) up to `high`, without a checkpoint in between. */
export interface Stretch {
  accountId: string
  low: number
  high: number
}

export class Checkpoints {
  readonly #database: Database
  readonly #fillingPool: pg.Pool
  readonly #onTrouble: (error: unknown) => void
  /** The newest tail of each account that is to have a checkpoint. */
  readonly #due = new Map<string, Tail>()
  #inFlight: ReadonlySet<string> = new Set()
  #writing: Promise<void> | undefined
  /** One an account, the one being filled among them. */
  readonly #stretches = new Map<string, Stretch>()
  #filling: Promise<void> | undefined
  #pausedUntil = 0
  #closed = false

  /** @param fillingPool for long work that must not stand in the way of what is written after each posting. */
  constructor(database: Database, fillingPool: pg.Pool, onTrouble: (error: unknown) => void) {
    this.#database = database
    this.#fillingPool = fillingPool
    this.#onTrouble = onTrouble
  }

  /** Takes what a posting found, and writes those that are due when it can. */
  note(tails: readonly Tail[]): void {
    for (const tail of tails) {
      // What is being written now makes the tail short: the posting did not see it yet.
      const { accountId, sequence, length } = tail
      const isDue = length >= CHECKPOINT_INTERVAL && !this.#inFlight.has(accountId)
      if (isDue) this.#due.set(accountId, tail)
      // One checkpoint at its end would leave the stretch before it to whoever asks about the past.
      if (length >= TAIL_MAX) this.noteStretch({ accountId, low: sequence - length, high: sequence })
    }
    if (this.#due.size > 0) {
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined
      })
    }
  }

  /** Takes a stretch that a read has summed up, and fills it with checkpoints, in the background, where it is long. */
  noteStretch(stretch: Stretch): void {
    if (stretch.high - stretch.low < STRETCH_MAX || this.#closed || performance.now() < this.#pausedUntil) return
    if (this.#stretches.has(stretch.accountId) || this.#stretches.size >= STRETCHES_MAX) return
    this.#stretches.set(stretch.accountId, stretch)
    this.#filling ??= this.#fill()
  }

  /** Waits for those that are being written. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([this.#writing, this.#filling])
  }

  async #fill(): Promise<void> {
    const insert: InsertMissing = (part) =>
      inTransaction(this.#fillingPool, FILL_LIMITS, (tx) => insertMissingCheckpoints(tx).execute(part))
    for (const [accountId, stretch] of this.#stretches) {
      try {
        await fillStretch(insert, stretch, () => this.#closed)
      } catch (error) {
        this.#onTrouble(error)
        this.#pausedUntil = performance.now() + PAUSE_MS
        this.#stretches.clear()
      }
      this.#stretches.delete(accountId)
    }
    this.#filling = undefined
  }

  async #write(): Promise<void> {
    while (this.#due.size > 0) {
      const tails = [...this.#due.values()].slice(0, ROWS_MAX)
      this.#inFlight = new Set(tails.map(({ accountId }) => accountId))
      for (const accountId of this.#inFlight) this.#due.delete(accountId)
      try {
        await insertCheckpoints(this.#database).execute({
          accountIds: tails.map((tail) => tail.accountId),
          sequences: tails.map((tail) => tail.sequence),
          balances: tails.map((tail) => tail.balance.toString()),
          throughs: tails.map((tail) => tail.createdAt),
          transactionIds: tails.map((tail) => tail.transactionId),
        })
      } catch (error) {
        this.#onTrouble(error)
        return
      } finally {
        this.#inFlight = new Set()
      }
    }
  }
}

/** Entries summed up in one statement: while it runs, no reader can be sure of the moment it began at. */
const ENTRIES_AT_ONCE = 5_000

/**
 * Writes the checkpoints that are missing, where an account has a long stretch without one. Postings go on beside it.
 *
 * @returns how many stretches were filled.
 */
export async function rebuildCheckpoints(database: Database): Promise<number> {
  const gaps = await readCheckpointGaps(database).execute({ length: 2 * CHECKPOINT_INTERVAL })
  for (const gap of gaps) await fillStretch((part) => insertMissingCheckpoints(database).execute(part), gap)
  return gaps.length
}

type InsertMissing = (part: { accountId: string; low: number; high: number; interval: number }) => Promise<unknown>

async function fillStretch(insert: InsertMissing, stretch: Stretch, isOver = () => false): Promise<void> {
  const { accountId, low, high } = stretch
  for (let start = low; start < high && !isOver(); start += ENTRIES_AT_ONCE) {
    await insert({
      accountId,
      low: start,
      high: Math.min(high, start + ENTRIES_AT_ONCE),
      interval: CHECKPOINT_INTERVAL,
    })
  }
}
