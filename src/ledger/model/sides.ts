import { type SQL, sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'

/**
 * Where money comes from and where it goes: the two sides of a posting, of a transaction and of a failed attempt. A null
 * side is the world outside the ledger; at most one side is. What follows from that is decided here and in the fold, nowhere
 * else.
 */
export interface Sides {
  sourceAccountId: AccountId | null
  destinationAccountId: AccountId | null
}

export type TransactionKind = 'DEPOSIT' | 'TRANSFER' | 'WITHDRAWAL'

export function kindOf({ sourceAccountId, destinationAccountId }: Sides): TransactionKind {
  if (sourceAccountId === null) return 'DEPOSIT'
  return destinationAccountId === null ? 'WITHDRAWAL' : 'TRANSFER'
}

/** Whether one side is the world outside. */
export function isWithOutsideWorld({ sourceAccountId, destinationAccountId }: Sides): boolean {
  return sourceAccountId === null || destinationAccountId === null
}

/** The kind of a row, in the SQL of a table that has both sides. */
export const kindOfRow = sql<TransactionKind>`case
  when source_account_id is null then 'DEPOSIT' when destination_account_id is null then 'WITHDRAWAL' else 'TRANSFER' end`

/** Whether one side of a row is the world outside. */
export const isWithOutside = sql<boolean>`(source_account_id is null or destination_account_id is null)`

/** Whether a row is of a kind. */
export function isOfKind(kind: TransactionKind): SQL {
  return sql`${kindOfRow} = ${kind}`
}

/** The accounts whose money moves: one or two. */
export function accountsOf({ sourceAccountId, destinationAccountId }: Sides): AccountId[] {
  if (sourceAccountId === null) return destinationAccountId === null ? [] : [destinationAccountId]
  return destinationAccountId === null ? [sourceAccountId] : [sourceAccountId, destinationAccountId]
}
