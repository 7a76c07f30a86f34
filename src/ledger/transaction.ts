import { transactions } from '../db/tables.ts'
import { type Instant, selectInstant } from './instant.ts'
import type { Cents } from './money.ts'

/** One immutable row of the ledger. A deposit has no source: its money comes from the world outside. */
export interface LedgerTransaction {
  id: string
  idempotencyKey: string
  sourceUserId: string | null
  /** The number of this entry in the source's account. */
  sourceSequence: number | null
  destinationUserId: string
  destinationSequence: number
  amount: Cents
  createdAt: Instant
}

/** The columns of a LedgerTransaction, for any select or returning clause. */
export const transactionColumns = {
  id: transactions.id,
  idempotencyKey: transactions.idempotencyKey,
  sourceUserId: transactions.sourceUserId,
  sourceSequence: transactions.sourceSequence,
  destinationUserId: transactions.destinationUserId,
  destinationSequence: transactions.destinationSequence,
  amount: transactions.amount,
  createdAt: selectInstant(transactions.createdAt),
}

export type TransactionKind = 'DEPOSIT' | 'TRANSFER'

export function kindOf(transaction: Pick<LedgerTransaction, 'sourceUserId'>): TransactionKind {
  return transaction.sourceUserId === null ? 'DEPOSIT' : 'TRANSFER'
}
