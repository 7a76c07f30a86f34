import type { Database } from '../db/pool.ts'
import type { Tail } from './batch.ts'
import { insertCheckpoints } from './statements/insert-checkpoints.ts'
import { insertMissingCheckpoints } from './statements/insert-missing-checkpoints.ts'
import { readCheckpointGaps } from './statements/read-checkpoint-gaps.ts'

/*
 * Checkpoints: the memoised sums that keep the cost of a balance flat as its account grows. They are written after
 * posting, outside the money's transaction and never in its way: one that is not written is noted again by the next
 * posting to its account, and no answer depends on it.
 */

/** A tail of so many entries gets a checkpoint: fewer make heads cheaper, and more rows to keep (docs/performance.md). */
export const CHECKPOINT_INTERVAL = 16
/** Written in one statement. */
const ROWS_MAX = 500

export class Checkpoints {
  readonly #database: Database
  readonly #onTrouble: (error: unknown) => void
  /** The newest tail of each account that is to have a checkpoint. */
  readonly #due = new Map<string, Tail>()
  #inFlight: ReadonlySet<string> = new Set()
  #writing: Promise<void> | undefined

  constructor(database: Database, onTrouble: (error: unknown) => void) {
    this.#database = database
    this.#onTrouble = onTrouble
  }

  /** Takes what a posting found, and writes those that are due when it can. */
  note(tails: readonly Tail[]): void {
    for (const tail of tails) {
      // What is being written now makes the tail short: the posting did not see it yet.
      const isDue = tail.length >= CHECKPOINT_INTERVAL && !this.#inFlight.has(tail.accountId)
      if (isDue) this.#due.set(tail.accountId, tail)
    }
    if (this.#due.size > 0) {
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined
      })
    }
  }

  /** Waits for those that are being written. */
  async close(): Promise<void> {
    await this.#writing
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

/** Entries summed up in one statement. */
const ENTRIES_AT_ONCE = 100_000

/**
 * Writes the checkpoints that are missing, where an account has a long stretch without one. Postings go on beside it.
 *
 * @returns how many stretches were filled.
 */
export async function rebuildCheckpoints(database: Database): Promise<number> {
  const gaps = await readCheckpointGaps(database).execute({ length: 2 * CHECKPOINT_INTERVAL })
  for (const { accountId, low, high } of gaps) {
    for (let start = low; start < high; start += ENTRIES_AT_ONCE) {
      await insertMissingCheckpoints(database).execute({
        accountId,
        low: start,
        high: Math.min(high, start + ENTRIES_AT_ONCE),
        interval: CHECKPOINT_INTERVAL,
      })
    }
  }
  return gaps.length
}
