import type pg from 'pg'
import type { AccountId } from '../../db/ids.ts'
import { microsecondsOf } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { SQLSTATE, sqlstateOf } from '../../db/sqlstate.ts'
import { inOrder, inPipelinedTransaction, inTransaction, type TransactionLimits } from '../../db/transaction.ts'
import type { AccountStatus } from '../model/account.ts'
import type { Head, Tail } from '../model/head.ts'
import { AMOUNT_MAX } from '../model/money.ts'
import type { CallOutcome, Posting } from '../model/posting.ts'
import { accountsOf } from '../model/sides.ts'
import type { LedgerTransaction } from '../model/transaction.ts'
import { findRecorded } from '../statements/find-recorded.ts'
import { insertTransactions } from '../statements/insert-transactions.ts'
import { lockAccounts } from '../statements/lock-accounts.ts'
import { lockFreeAccounts } from '../statements/lock-free-accounts.ts'
import { readHeads } from '../statements/read-heads.ts'
import { readReversed } from '../statements/read-reversed.ts'
import { fold, type LockedAccount } from './fold.ts'

/*
 * A batch of calls is one database transaction with ordered row locks. A call is one or more postings, all or none.
 *
 *   begin    isolation and timeouts                                                        ┐
 *   lock     the accounts, in the order of their ids                                       │ one round trip
 *   keys     which keys are taken already: replays and conflicts                           │
 *   heads    balance, last number and time of each account, and the clock; after the lock  │
 *   sums     how much was reversed before, of each transaction that the batch reverses     ┘
 *   fold     in memory, in arrival order
 *   insert   the accepted transactions
 *   commit
 *
 * Each step is a separate statement, and sees what was committed before it began. So heads are read as they are once the
 * locks are held.
 */

/** Another process used one of the batch's keys after it was looked up. The batch must run again. */
export class KeyTakenError extends Error {
  override name = 'KeyTakenError'
}

/** An account's last entry is further ahead of PostgreSQL's clock than `clockAheadMaxMs`. Only time fixes that. */
export class ClockBehindError extends Error {
  override name = 'ClockBehindError'
}

/** The stored ledger is inconsistent. Nothing is written to the account. */
export class LedgerFaultError extends Error {
  override name = 'LedgerFaultError'
}

/** Another process kept an account locked. The batch must run again without waiting, to find out which account. */
export class AccountsLockedError extends Error {
  override name = 'AccountsLockedError'
}

/** The result of a call: a committed outcome, or nothing, because an account is locked or inconsistent. */
type Verdict = { outcome: CallOutcome } | { lockedAccountId: AccountId } | { failure: Error }

export interface BatchResult {
  /** One for each call, in the same order. */
  verdicts: Verdict[]
  /** One for each account with new entries. */
  tails: Tail[]
}

export type BatchLimits = TransactionLimits & { clockAheadMaxMs: number }

/**
 * Judges and writes the calls. Resolves when they are committed.
 *
 * @throws {AccountsLockedError} {KeyTakenError} {OutcomeUnknownError} {NotConnectedError} and PostgreSQL's own.
 */
export function runBatch(
  pool: pg.Pool,
  limits: BatchLimits,
  calls: readonly (readonly Posting[])[],
): Promise<BatchResult> {
  const lock = (tx: Database, ids: AccountId[]) =>
    lockAccounts(tx)
      .execute({ ids })
      .catch((error) => {
        throw sqlstateOf(error) === SQLSTATE.LOCK_NOT_AVAILABLE
          ? new AccountsLockedError('an account stayed locked', { cause: error })
          : error
      })
  return inPipelinedTransaction(
    pool,
    limits,
    (tx) => look(tx, calls, lock),
    (tx, seen) => judge(tx, limits, calls, seen),
  )
}

/**
 * Runs a batch while other processes have locked some accounts. It first waits for the awaited accounts, and holds no other
 * lock meanwhile. Calls for accounts that it cannot lock then are not judged.
 *
 * @param take called once the awaited accounts are locked; returns the calls, including those that have come meanwhile.
 */
export function runBatchAround(
  pool: pg.Pool,
  limits: BatchLimits,
  awaitedAccountIds: readonly AccountId[],
  take: () => readonly (readonly Posting[])[],
): Promise<BatchResult> {
  const lock = (tx: Database, ids: AccountId[]) => lockFreeAccounts(tx).execute({ ids })
  return inTransaction(pool, limits, async (tx) => {
    if (awaitedAccountIds.length > 0) await lockAccounts(tx).execute({ ids: awaitedAccountIds.toSorted() })
    const calls = take()
    return judge(tx, limits, calls, await look(tx, calls, lock))
  })
}

/** An account that exists. Its status and currency are null when something else has locked it. */
interface FoundAccount {
  id: AccountId
  status: AccountStatus | null
  currency: string | null
}

type Lock = (tx: Database, ids: AccountId[]) => Promise<FoundAccount[]>

async function look(tx: Database, calls: readonly (readonly Posting[])[], lock: Lock) {
  const postings = calls.flat()
  const ids = [...new Set(postings.flatMap(accountsOf))].sort()
  const reversed = [...new Set(postings.flatMap(({ reverses }) => reverses?.id ?? []))]
  const [accounts, recorded, heads, sums] = await inOrder([
    lock(tx, ids),
    findRecorded(tx).execute({ keys: postings.map((posting) => posting.idempotencyKey) }),
    readHeads(tx).execute({ ids }),
    // Few batches have a reversal.
    reversed.length === 0 ? Promise.resolve([]) : readReversed(tx).execute({ ids: reversed }),
  ])
  return { accounts, recorded, heads, reversed: new Map(sums.map(({ id, amount }) => [id, amount])) }
}

type Seen = Awaited<ReturnType<typeof look>>

async function judge(
  tx: Database,
  { clockAheadMaxMs }: BatchLimits,
  calls: readonly (readonly Posting[])[],
  { accounts: found, recorded, heads: rows, reversed }: Seen,
): Promise<BatchResult> {
  const accounts = new Map<AccountId, LockedAccount>()
  /** Why calls for an account cannot be judged. */
  const obstacles = new Map<AccountId, Exclude<Verdict, { outcome: CallOutcome }>>()
  for (const { id, status, currency } of found) {
    if (status === null || currency === null) obstacles.set(id, { lockedAccountId: id })
    else accounts.set(id, { status, currency })
  }
  const heads = new Map<AccountId, Head>()
  for (const row of rows) {
    if (!accounts.has(row.accountId)) continue
    const failure = failureOf(row, clockAheadMaxMs)
    if (failure) obstacles.set(row.accountId, { failure })
    heads.set(row.accountId, { sequence: row.lastSequence, balance: row.balance, createdAt: row.createdAt })
  }

  const obstacleOf = (postings: readonly Posting[]) =>
    obstacles.size === 0
      ? undefined
      : postings
          .flatMap(accountsOf)
          .map((id) => obstacles.get(id))
          .find(Boolean)
  const verdicts: (Verdict | undefined)[] = calls.map(obstacleOf)
  const judged = calls.filter((_, index) => verdicts[index] === undefined)
  const folded = fold(judged, {
    clock: Math.max(0, ...rows.map((row) => row.clock)),
    accounts,
    heads,
    reversed,
    recorded: new Map(recorded.map((transaction) => [transaction.idempotencyKey, transaction])),
  })
  if (folded.accepted.length > 0) {
    const inserted = await insertTransactions(tx, folded.accepted)
    if (inserted !== folded.accepted.length) throw new KeyTakenError('an idempotency key was taken meanwhile')
  }
  const outcomes = folded.outcomes.values()
  return {
    verdicts: verdicts.map((verdict) => verdict ?? { outcome: outcomes.next().value as CallOutcome }),
    tails: tailsOf(folded.accepted, folded.heads, rows),
  }
}

type HeadRow = Seen['heads'][number]

function failureOf(row: HeadRow, clockAheadMaxMs: number): Error | undefined {
  if (row.lastSequence !== row.checkpointSequence + row.tailLength) {
    return new LedgerFaultError(
      `account ${row.accountId}: ${row.tailLength} entries after number ${row.checkpointSequence}, but the last is ${row.lastSequence}`,
    )
  }
  if (row.balance < 0n || row.balance > AMOUNT_MAX) {
    return new LedgerFaultError(`account ${row.accountId}: its entries sum to ${row.balance}, which no balance can be`)
  }
  if (row.createdAt && microsecondsOf(row.createdAt) > row.clock + clockAheadMaxMs * 1000) {
    return new ClockBehindError(`the last entry of account ${row.accountId} is of ${row.createdAt}, ahead of the clock`)
  }
  return undefined
}

function tailsOf(
  accepted: readonly LedgerTransaction[],
  heads: ReadonlyMap<AccountId, Head>,
  rows: readonly HeadRow[],
): Tail[] {
  const last = new Map<AccountId, LedgerTransaction>()
  for (const transaction of accepted) for (const id of accountsOf(transaction)) last.set(id, transaction)
  return rows.flatMap(({ accountId, checkpointSequence }) => {
    const transaction = last.get(accountId)
    const head = heads.get(accountId)
    if (!transaction || !head) return []
    const { id: transactionId, createdAt } = transaction
    const { sequence, balance } = head
    return [{ sequence, balance, accountId, createdAt, transactionId, length: sequence - checkpointSequence }]
  })
}
