import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { type Database, databaseOf } from '../db/pool.ts'
import { inTransaction } from '../db/transaction.ts'
import type { Instant } from './instant.ts'
import type { Cents } from './money.ts'
import { SettledClock, type SettledReading } from './settled-clock.ts'
import { readBalancesAsOf } from './statements/read-balances-as-of.ts'
import { readHeads } from './statements/read-heads.ts'
import { shareAccounts } from './statements/share-accounts.ts'

/** The balance of one account at one moment, computed from the ledger as it was asked. */
export interface AccountBalance {
  accountId: string
  amount: Cents
  /** How many of the account's entries it counts. */
  sequence: number
  /** The moment asked for, or the time of the last entry counted (null: none). */
  asOf: Instant | null
}

export interface BalanceRequest {
  accountId: string
  asOf: Instant
}

/** A moment later than PostgreSQL's clock and than the account's last entry: nobody knows yet. */
export class FutureMomentError extends Error {
  override name = 'FutureMomentError'
  readonly now: Instant
  constructor(now: Instant) {
    super('the moment is in the future')
    this.now = now
  }
}

/** How long to wait for a moment to settle by itself, and how often to look. */
const SETTLE_WAIT_MS = 50
const SETTLE_POLL_MS = 3
/** How long the last resort, a shared lock on the accounts, may wait. */
const SHARE_LOCK_TIMEOUT_MS = 5_000

/** Reads balances. Accounts are not checked to exist: one without entries has a balance of 0. */
export class Balances {
  readonly #sharingPool: pg.Pool
  readonly #database: Database
  readonly #clock: SettledClock

  /** @param sharingPool of its own for waiting on locks: other reads go on, however long an account stays locked. */
  constructor(pool: pg.Pool, sharingPool: pg.Pool) {
    this.#sharingPool = sharingPool
    this.#database = databaseOf(pool)
    this.#clock = new SettledClock(this.#database)
  }

  /** Balances now, all of one moment, in one statement, in the order of the ids. */
  async current(accountIds: readonly string[]): Promise<AccountBalance[]> {
    const rows = await readHeads(this.#database).execute({ ids: [...new Set(accountIds)] })
    const balances = new Map(
      rows.map((row): [string, AccountBalance] => [
        row.userId,
        { accountId: row.userId, amount: row.balance, sequence: row.lastSequence, asOf: row.createdAt },
      ]),
    )
    return accountIds.map((id) => balances.get(id) as AccountBalance)
  }

  /**
   * Balances at past moments, in the order of the requests. The answer does not move: what is in flight at the moment
   * is waited for, unless an entry at or after it shows that nothing can come before.
   *
   * @returns for each request its balance or a FutureMomentError.
   * @throws PostgreSQL's own error (55P03: to be asked again) when postings in flight did not end in time.
   */
  async asOf(requests: readonly BalanceRequest[]): Promise<(AccountBalance | FutureMomentError)[]> {
    const latest =
      requests
        .map((request) => request.asOf)
        .sort()
        .at(-1) ?? ''
    const askedAt = performance.now()
    for (;;) {
      const reading = await this.#clock.readingFor(latest)
      const answers = await this.#sumAsOf(requests, reading, askedAt)
      if (answers.every((answer) => answer !== undefined)) return answers
      if (performance.now() >= askedAt + SETTLE_WAIT_MS) {
        const open = requests.filter((_request, index) => answers[index] === undefined)
        return this.#asOfByLock(requests, open)
      }
      await sleep(SETTLE_POLL_MS)
    }
  }

  /** One statement; undefined for those that could still change, or that only a reading begun since can call the future. */
  async #sumAsOf(
    requests: readonly BalanceRequest[],
    { now, settledBefore, begunAt }: SettledReading,
    askedAt: number,
  ): Promise<(AccountBalance | FutureMomentError | undefined)[]> {
    const rows = await readBalancesAsOf(this.#database).execute({
      ids: requests.map((request) => request.accountId),
      moments: requests.map((request) => request.asOf),
    })
    return requests.map(({ accountId, asOf }, index) => {
      const { balance, sequence, final } = rows[index] as (typeof rows)[number]
      if (!final && asOf > now) return begunAt < askedAt ? undefined : new FutureMomentError(now)
      const settled = final || (settledBefore !== null && asOf < settledBefore)
      return settled ? { accountId, amount: balance, sequence, asOf } : undefined
    })
  }

  /** Nobody posts to the open accounts while the lock is had, and whoever does later reads a later clock. */
  async #asOfByLock(
    requests: readonly BalanceRequest[],
    open: readonly BalanceRequest[],
  ): Promise<(AccountBalance | FutureMomentError)[]> {
    const limits = {
      lockTimeoutMs: SHARE_LOCK_TIMEOUT_MS,
      statementTimeoutMs: SHARE_LOCK_TIMEOUT_MS,
      idleTimeoutMs: SHARE_LOCK_TIMEOUT_MS,
    }
    const ids = [...new Set(open.map((request) => request.accountId))].sort()
    const reading = await this.#clock.readingFor('9999')
    await inTransaction(this.#sharingPool, limits, (tx) => shareAccounts(tx).execute({ ids }))
    const answers = await this.#sumAsOf(requests, { ...reading, settledBefore: '9999' }, reading.begunAt)
    return answers as (AccountBalance | FutureMomentError)[]
  }
}
