import { sql } from 'drizzle-orm'
import { type Amount, readAmount } from '../../db/amount.ts'
import type { AccountId, TransactionId } from '../../db/ids.ts'
import { type Instant, selectInstant } from '../../db/instant.ts'
import type { Metadata } from '../../db/metadata.ts'
import { transactions } from '../../db/tables.ts'
import type { Sides } from './sides.ts'

/** One immutable row of the ledger. */
export interface LedgerTransaction extends Sides {
  id: TransactionId
  idempotencyKey: string
  /** The number of its entry in each account; null where the side is. */
  sourceSequence: number | null
  destinationSequence: number | null
  amount: Amount
  createdAt: Instant
  /** The transaction that it takes back, whole or in part. */
  reversesId: TransactionId | null
  description: string | null
  metadata: Metadata | null
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
  reversesId: transactions.reversesId,
  description: transactions.description,
  metadata: transactions.metadata,
}

/** The same, but for its id, of rows called `entry` in a statement written out. */
export const entryColumns = {
  idempotencyKey: sql<string>`entry.idempotency_key`.as('idempotency_key'),
  sourceAccountId: sql<AccountId | null>`entry.source_account_id`.as('source_account_id'),
  sourceSequence: sql<number | null>`entry.source_sequence`.mapWith(Number).as('source_sequence'),
  destinationAccountId: sql<AccountId | null>`entry.destination_account_id`.as('destination_account_id'),
  destinationSequence: sql<number | null>`entry.destination_sequence`.mapWith(Number).as('destination_sequence'),
  amount: sql`entry.amount`.mapWith(readAmount).as('amount'),
  createdAt: sql<Instant>`${selectInstant(sql`entry.created_at`)}`.as('created_at'),
  reversesId: sql<TransactionId | null>`entry.reverses_id`.as('reverses_id'),
  description: sql<string | null>`entry.description`.as('description'),
  metadata: sql<Metadata | null>`entry.metadata`.as('metadata'),
}
