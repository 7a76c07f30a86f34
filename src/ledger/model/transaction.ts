import { sql } from 'drizzle-orm'
import { type Amount, readAmount } from '../../db/amount.ts'
import type { AccountId, TransactionId } from '../../db/ids.ts'
import { type Instant, selectInstant } from '../../db/instant.ts'
import { transactions } from '../../db/tables.ts'
import type { Sides } from './sides.ts'

/** One immutable row of the ledger. */
export interface LedgerTransaction extends Sides {
  id: TransactionId
  idempotencyKey: string
  /** The number of its entry in each account; null where the side is. */
  sourceSequence: number | null
  destinationSequence: number
  amount: Amount
  createdAt: Instant
}

/** The columns of a LedgerTransaction, for any select or returning clause. */
export const transactionColumns = {
  id: transactions.id,
  idempotencyKey: transactions.idempotencyKey,
  sourceAccountId: transactions.sourceAccountId,
  sourceSequence: transactions.sourceSequence,
  destinationAccountId: transactions.destinationAccountId,
  destinationSequence: transactions.destinationSequence,
  amount: transactions.amount,
  createdAt: selectInstant(transactions.createdAt),
}

/** The same, but for its id, of rows called `entry` in a statement written out. */
export const entryColumns = {
  idempotencyKey: sql<string>`entry.idempotency_key`.as('idempotency_key'),
  sourceAccountId: sql<AccountId | null>`entry.source_account_id`.as('source_account_id'),
  sourceSequence: sql<number | null>`entry.source_sequence`.mapWith(Number).as('source_sequence'),
  destinationAccountId: sql<AccountId>`entry.destination_account_id`.as('destination_account_id'),
  destinationSequence: sql`entry.destination_sequence`.mapWith(Number).as('destination_sequence'),
  amount: sql`entry.amount`.mapWith(readAmount).as('amount'),
  createdAt: sql<Instant>`${selectInstant(sql`entry.created_at`)}`.as('created_at'),
}
