import { not, type SQL, sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'

/**
 * Where money comes from and where it goes: the two sides of a posting, of a transaction and of a failed attempt. A null
 * side is the world outside the ledger. What follows from that is decided here and in the fold, nowhere else.
 */
export interface Sides {
  sourceAccountId: AccountId | null
  destinationAccountId: AccountId
}

export type TransactionKind = 'DEPOSIT' | 'TRANSFER'

export function kindOf({ sourceAccountId }: Pick<Sides, 'sourceAccountId'>): TransactionKind {
  return sourceAccountId === null ? 'DEPOSIT' : 'TRANSFER'
}

/** Whether a row is a deposit, in the SQL of a table that has both sides. */
export const isDeposit = sql<boolean>`source_account_id is null`

/** Whether a row is of a kind. */
export function isOfKind(kind: TransactionKind): SQL {
  return kind === 'DEPOSIT' ? isDeposit : not(isDeposit)
}

/** The accounts whose money moves: one or two. */
export function accountsOf({ sourceAccountId, destinationAccountId }: Sides): AccountId[] {
  return sourceAccountId === null ? [destinationAccountId] : [sourceAccountId, destinationAccountId]
}
