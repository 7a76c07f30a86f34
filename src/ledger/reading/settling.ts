import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { type Instant, toInstant } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { noteStatement } from '../../db/statement-count.ts'
import { inTransaction } from '../../db/transaction.ts'
import { type AccountMoment, FutureMomentError } from '../model/balance.ts'
import { shareAccounts } from '../statements/share-accounts.ts'
import { SettledClock, type SettledReading } from './settled-clock.ts'

/*
 * Reads the past so that it does not move. An answer about a moment is returned once nothing in flight can still be
 * committed at or before that moment:
 *
 *   final     The account already has an entry at or after the moment, so every later entry has a later time. The
 *             statement that sums the entries sees this itself, whatever the clocks do.
 *   settled   The moment is before everything that may still be committed. An earlier reading of the clock shows this.
 *   else      The clock is read again every few milliseconds, and then the answer. After a while the accounts are
 *             locked once, briefly, and then summed in a new statement.
 */

/** How long to wait for a moment to settle by itself, and how often to look. */
const SETTLE_WAIT_MS = 50
const SETTLE_POLL_MS = 3
/** How long the shared lock on the accounts, the last resort, may wait. */
const SHARE_LOCK_TIMEOUT_MS = 5_000

/** They sort before and after every moment. */
const EARLIEST = toInstant('')
const LATEST = toInstant('9999')

/** Reads in one statement, in the order of the requests; `final` as above. */
export type ReadMoments<Request, Row> = (requests: readonly Request[]) => Promise<Row[]>

export class Settling {
  readonly #sharingPool: pg.Pool
  readonly #clock: SettledClock

  /** @param sharingPool waits for locks. It is a pool of its own, so that other reads continue while an account is locked. */
  constructor(database: Database, sharingPool: pg.Pool) {
    this.#sharingPool = sharingPool
    this.#clock = new SettledClock(database)
  }

  /** PostgreSQL's clock, read after this was called. So it is later than everything that the caller knows of. */
  async now(): Promise<Instant> {
    const askedAt = performance.now()
    const reading = await this.#clock.readingFor(LATEST)
    const since = reading.begunAt >= askedAt ? reading : await this.#clock.readingFor(LATEST)
    return since.now
  }

  /**
   * What `read` returns for past moments, once it cannot change any more, in the order of the requests.
   *
   * @param isCheap whether to read at once, before the moments are settled. The read may be in vain, but a final answer
   *   need not wait.
   * @returns for each request its row or a FutureMomentError.
   * @throws PostgreSQL's own error (55P03: try again) when postings in flight did not end in time.
   */
  async settle<Request extends AccountMoment, Row extends { final: boolean }>(
    requests: readonly Request[],
    read: ReadMoments<Request, Row>,
    { isCheap }: { isCheap: boolean },
  ): Promise<(Row | FutureMomentError)[]> {
    const askedAt = performance.now()
    let isSettled = isCheap || (await this.#untilSettled(latestOf(requests), askedAt))
    let open = requests
    while (isSettled) {
      const reading = await this.#clock.readingFor(latestOf(open))
      const answers = judge(requests, await read(requests), reading, askedAt)
      if (answers.every((answer) => answer !== undefined)) return answers
      open = requests.filter((_request, index) => answers[index] === undefined)
      isSettled = await this.#untilSettled(latestOf(open), askedAt)
    }
    return this.#settleByLock(requests, open, read)
  }

  /** Reads only the clock, again and again. Returns false when the moment does not settle in time. */
  async #untilSettled(moment: Instant, askedAt: number): Promise<boolean> {
    for (;;) {
      const { now, settledBefore, begunAt } = await this.#clock.readingFor(moment)
      const isFuture = moment > now && begunAt >= askedAt
      if (isFuture || (settledBefore !== null && moment < settledBefore)) return true
      if (performance.now() >= askedAt + SETTLE_WAIT_MS) return false
      await sleep(SETTLE_POLL_MS)
    }
  }

  /** Nobody posts to the open accounts while they are locked, and whoever does later reads a later clock. */
  async #settleByLock<Request extends AccountMoment, Row extends { final: boolean }>(
    requests: readonly Request[],
    open: readonly Request[],
    read: ReadMoments<Request, Row>,
  ): Promise<(Row | FutureMomentError)[]> {
    const limits = {
      lockTimeoutMs: SHARE_LOCK_TIMEOUT_MS,
      statementTimeoutMs: SHARE_LOCK_TIMEOUT_MS,
      idleTimeoutMs: SHARE_LOCK_TIMEOUT_MS,
    }
    const ids = [...new Set(open.map((request) => request.accountId))].sort()
    const reading = await this.#clock.readingFor(LATEST)
    noteStatement()
    await inTransaction(this.#sharingPool, limits, (tx) => shareAccounts(tx).execute({ ids }))
    const settled = { ...reading, settledBefore: LATEST }
    return judge(requests, await read(requests), settled, reading.begunAt) as (Row | FutureMomentError)[]
  }
}

const latestOf = (requests: readonly AccountMoment[]) =>
  requests.reduce((latest, { asOf }) => (asOf > latest ? asOf : latest), EARLIEST)

/** Undefined for an answer that could still change, and for a moment that only a newer reading can call the future. */
function judge<Request extends AccountMoment, Row extends { final: boolean }>(
  requests: readonly Request[],
  rows: readonly Row[],
  { now, settledBefore, begunAt }: SettledReading,
  askedAt: number,
): (Row | FutureMomentError | undefined)[] {
  return requests.map(({ asOf }, index) => {
    const row = rows[index] as Row
    if (row.final) return row
    if (asOf > now) return begunAt < askedAt ? undefined : new FutureMomentError(now)
    return settledBefore !== null && asOf < settledBefore ? row : undefined
  })
}
