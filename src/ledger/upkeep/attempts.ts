import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../db/pool.ts'
import { isTemporary } from '../../db/sqlstate.ts'
import type { FailureCode } from '../model/failed-transaction.ts'
import { isFairShare } from '../model/fair-share.ts'
import type { Posting } from '../model/posting.ts'
import { makeRowId } from '../model/row-id.ts'
import { insertFailedTransactions } from '../statements/insert-failed-transactions.ts'

/*
 * Records failed attempts. They are written after the caller is answered, outside the database transaction of the postings,
 * so they never delay money. The number that waits is limited, and those that cannot be written are counted. A crash loses
 * those that wait.
 *
 * The attempts of one submitter that are recorded in an hour are limited, since refusals are cheap to provoke. More are
 * counted and not recorded. Submitters share the waiting space (see `isFairShare`), so one cannot displace the attempts of
 * another.
 */

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
const HOUR_MS = 3_600_000

/** Some attempts were not recorded. */
class AttemptsLostError extends Error {
  override name = 'AttemptsLostError'
}

/** A submitter has reached the limit of an hour. Reported once an hour, for the first of them. */
class AttemptsSkippedError extends Error {
  override name = 'AttemptsSkippedError'
}

type Row = FailedAttempt & { id: string; failedAt: number; submitter: string }

export class Attempts {
  readonly #database: Database
  readonly #onError: (error: unknown) => void
  readonly #perHourMax: number
  readonly #closing = new AbortController()
  #waiting: Row[] = []
  #writing: Promise<void> | undefined
  /** How many of the waiting rows are of each submitter. */
  readonly #waitingOf = new Map<string, number>()
  /** How many attempts each submitter has had in this hour, and when it began. */
  readonly #hourly = new Map<string, number>()
  #hourBeganAt = performance.now()
  #isSkipReported = false
  /** How many could not be recorded, since this process began. */
  lost = 0
  /** How many were not recorded because their submitter had reached the limit of an hour, since this process began. */
  skipped = 0

  /** @param perHourMax how many attempts of one submitter are recorded in an hour at most. */
  constructor(database: Database, onError: (error: unknown) => void, perHourMax: number) {
    this.#database = database
    this.#onError = onError
    this.#perHourMax = perHourMax
  }

  /** Returns at once; the row is written when it can be. */
  record(attempt: FailedAttempt, submitter: string): void {
    if (!this.#isWithinHourlyBound(submitter)) {
      this.#skip()
      return
    }
    const waiting = this.#waitingOf.get(submitter) ?? 0
    if (!isFairShare(waiting, 1, this.#waiting.length, WAITING_MAX)) {
      this.#lose(1)
      return
    }
    this.#waitingOf.set(submitter, waiting + 1)
    this.#waiting.push({ ...attempt, id: makeRowId(), failedAt: performance.now(), submitter })
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
    // The engine answers its caller first.
    await sleep(0)
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.slice(0, ROWS_MAX)
      try {
        await this.#insert(rows)
      } catch (error) {
        const isPassing = isTemporary(error) && !this.#closing.signal.aborted
        if (isPassing) {
          await sleep(RETRY_PAUSE_MS, undefined, { signal: this.#closing.signal }).catch(() => {})
          continue
        }
        this.#lose(rows.length, error)
      }
      this.#waiting.splice(0, rows.length)
      for (const { submitter } of rows) {
        const left = (this.#waitingOf.get(submitter) ?? 1) - 1
        if (left > 0) this.#waitingOf.set(submitter, left)
        else this.#waitingOf.delete(submitter)
      }
    }
  }

  /** Counts one more attempt of the submitter in this hour. */
  #isWithinHourlyBound(submitter: string): boolean {
    const now = performance.now()
    if (now >= this.#hourBeganAt + HOUR_MS) {
      this.#hourly.clear()
      this.#hourBeganAt = now
      this.#isSkipReported = false
    }
    const count = this.#hourly.get(submitter) ?? 0
    if (count >= this.#perHourMax) return false
    this.#hourly.set(submitter, count + 1)
    return true
  }

  #skip(): void {
    this.skipped++
    if (this.#isSkipReported) return
    this.#isSkipReported = true
    this.#onError(
      new AttemptsSkippedError(
        `one viewer had more than ${this.#perHourMax} failed attempts in an hour: the others are counted, but not recorded`,
      ),
    )
  }

  #lose(count: number, cause?: unknown): void {
    // While they are lost one by one, this is reported once.
    if (cause !== undefined || this.lost === 0) {
      this.#onError(new AttemptsLostError(`failed attempts are not recorded (${this.lost + count} so far)`, { cause }))
    }
    this.lost += count
  }

  async #insert(rows: readonly Row[]): Promise<void> {
    const now = performance.now()
    await insertFailedTransactions(this.#database).execute({
      ids: rows.map((row) => row.id),
      keys: rows.map((row) => row.posting.idempotencyKey),
      sourceIds: rows.map((row) => row.posting.sourceAccountId),
      destinationIds: rows.map((row) => row.posting.destinationAccountId),
      amounts: rows.map((row) => row.posting.amount.toString()),
      codes: rows.map((row) => row.code),
      messages: rows.map((row) => row.message),
      attempts: rows.map((row) => row.attempts),
      agesMs: rows.map((row) => now - row.failedAt),
    })
  }
}
