import type pg from 'pg'
import type { Database } from '../db/pool.ts'
import { inTransaction, type TransactionLimits } from '../db/transaction.ts'
import { type Folded, fold, type Head, type LedgerState, type Posting } from './fold.ts'
import { microsecondsOf } from './instant.ts'
import { findRecorded } from './statements/find-recorded.ts'
import { insertTransactions } from './statements/insert-transactions.ts'
import { lockAccounts } from './statements/lock-accounts.ts'
import { readHeads } from './statements/read-heads.ts'

/*
 * A batch of postings, as one database transaction with ordered row locks:
 *
 *   begin    isolation and timeouts, one round trip
 *   lock     the accounts, in the order of their ids
 *   keys     which keys are taken already: replays and conflicts
 *   heads    balance, last number and time of each account, and the clock; after the lock, in its own statement
 *   fold     in memory, in arrival order
 *   insert   what was accepted
 *   commit
 */

/** Another process took one of the batch's keys between our look and our insert. Run the batch again. */
export class KeyTakenError extends Error {
  override name = 'KeyTakenError'
}

/** An account's last entry is further ahead of PostgreSQL's clock than is bearable. Mended by time alone. */
export class ClockBehindError extends Error {
  override name = 'ClockBehindError'
}

/** The ledger contradicts itself. Nothing is written on top of it. */
export class LedgerFaultError extends Error {
  override name = 'LedgerFaultError'
}

/**
 * Judges and writes the postings, and answers when they are committed.
 *
 * @throws {KeyTakenError} run again. {ClockBehindError} {LedgerFaultError} {OutcomeUnknownError} and PostgreSQL's own.
 */
export function runBatch(
  pool: pg.Pool,
  limits: TransactionLimits & { clockAheadMaxMs: number },
  postings: readonly Posting[],
): Promise<Folded> {
  return inTransaction(pool, limits, async (tx) => {
    const state = await readLockedState(tx, postings, limits.clockAheadMaxMs)
    const folded = fold(postings, state)
    if (folded.accepted.length > 0) {
      const inserted = await insertTransactions(tx, folded.accepted)
      if (inserted !== folded.accepted.length) throw new KeyTakenError('an idempotency key was taken meanwhile')
    }
    return folded
  })
}

async function readLockedState(
  tx: Database,
  postings: readonly Posting[],
  clockAheadMaxMs: number,
): Promise<LedgerState> {
  const ids = [
    ...new Set(postings.flatMap((posting) => [posting.sourceUserId ?? [], posting.destinationUserId].flat())),
  ]
  const locked = await lockAccounts(tx).execute({ ids: ids.sort() })
  const recorded = await findRecorded(tx).execute({ keys: postings.map((posting) => posting.idempotencyKey) })
  const rows = await readHeads(tx).execute({ ids: locked.map((account) => account.id) })

  const heads = new Map<string, Head>()
  for (const row of rows) {
    if (row.lastSequence !== row.checkpointSequence + row.tailLength) {
      throw new LedgerFaultError(
        `account ${row.userId}: ${row.tailLength} entries after number ${row.checkpointSequence}, but the last is ${row.lastSequence}`,
      )
    }
    if (row.createdAt && microsecondsOf(row.createdAt) > row.clock + clockAheadMaxMs * 1000) {
      throw new ClockBehindError(`the last entry of account ${row.userId} is of ${row.createdAt}, ahead of the clock`)
    }
    heads.set(row.userId, { sequence: row.lastSequence, balance: row.balance, createdAt: row.createdAt })
  }
  return {
    clock: Math.max(0, ...rows.map((row) => row.clock)),
    heads,
    recorded: new Map(recorded.map((transaction) => [transaction.idempotencyKey, transaction])),
  }
}
