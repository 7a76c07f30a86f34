import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/pool.ts'
import { remedyFor } from '../db/sqlstate.ts'
import type { Posting } from './fold.ts'
import type { RefusalCode } from './refusal.ts'
import { makeRowId } from './row-id.ts'
import { insertFailedTransactions } from './statements/insert-failed-transactions.ts'

/*
 * The record of failed attempts. It is written after the caller was answered, outside the money's transaction and never
 * in its way: what waits is bounded, and what could not be written is counted. A crash loses what waits.
 */

/** Why: a refusal, or what an operator should look into. An unknown outcome is none, nor is a queue that was full. */
export type FailureCode = RefusalCode | 'RETRIES_EXHAUSTED' | 'INTERNAL_SERVER_ERROR'

/** A posting that was definitely not posted, and why. */
export interface FailedAttempt {
  posting: Posting
  code: FailureCode
  message: string
  attempts: number
}

/** Written in one statement. */
const ROWS_MAX = 500
/** Rows that may wait to be written. */
const WAITING_MAX = 10_000
/** Between two tries while the database is away. */
const RETRY_PAUSE_MS = 1_000
/** How long the last rows may take when the ledger is closed. */
const CLOSE_TIMEOUT_MS = 2_000

/** Some attempts were not recorded. */
export class AttemptsLostError extends Error {
  override name = 'AttemptsLostError'
}

type Row = FailedAttempt & { id: string; failedAt: number }

export class Attempts {
  readonly #database: Database
  readonly #onTrouble: (error: unknown) => void
  readonly #closing = new AbortController()
  #waiting: Row[] = []
  #writing: Promise<void> | undefined
  /** How many were not recorded, since this process began. */
  lost = 0

  constructor(database: Database, onTrouble: (error: unknown) => void) {
    this.#database = database
    this.#onTrouble = onTrouble
  }

  /** Returns at once; the row is written when it can be. */
  record(attempt: FailedAttempt): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#lose(1)
      return
    }
    this.#waiting.push({ ...attempt, id: makeRowId(), failedAt: performance.now() })
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Waits until all that was recorded is written, or lost. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.#closing.abort(), CLOSE_TIMEOUT_MS)
    await this.flush()
    clearTimeout(timer)
  }

  async #write(): Promise<void> {
    // After whoever recorded has answered its caller.
    await sleep(0)
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.slice(0, ROWS_MAX)
      try {
        await this.#insert(rows)
      } catch (error) {
        const isPassing = remedyFor(error) !== 'fault' && !this.#closing.signal.aborted
        if (isPassing) {
          await sleep(RETRY_PAUSE_MS, undefined, { signal: this.#closing.signal }).catch(() => {})
          continue
        }
        this.#lose(rows.length, error)
      }
      this.#waiting.splice(0, rows.length)
    }
  }

  #lose(count: number, cause?: unknown): void {
    // Told once while they are lost one by one.
    if (cause !== undefined || this.lost === 0) {
      this.#onTrouble(
        new AttemptsLostError(`failed attempts are not recorded (${this.lost + count} so far)`, { cause }),
      )
    }
    this.lost += count
  }

  async #insert(rows: readonly Row[]): Promise<void> {
    const now = performance.now()
    await insertFailedTransactions(this.#database).execute({
      ids: rows.map((row) => row.id),
      keys: rows.map((row) => row.posting.idempotencyKey),
      sourceIds: rows.map((row) => row.posting.sourceUserId),
      destinationIds: rows.map((row) => row.posting.destinationUserId),
      amounts: rows.map((row) => row.posting.amount.toString()),
      codes: rows.map((row) => row.code),
      messages: rows.map((row) => row.message),
      attempts: rows.map((row) => row.attempts),
      agesMs: rows.map((row) => now - row.failedAt),
    })
  }
}
