import type { Cents } from './money.ts'
import type { Posted } from './posting.ts'
import type { LedgerTransaction } from './transaction.ts'

export type EntryDirection = 'CREDIT' | 'DEBIT'

/** One side of a transaction: its place and effect in one account. */
export interface LedgerEntry {
  accountId: string
  /** Numbers the entries of the account 1, 2, 3 … without gaps. */
  sequence: number
  /** Signed: what the transaction did to this account. */
  change: Cents
  /** The running balance, this entry included. */
  balanceAfter: Cents
  transaction: LedgerTransaction
}

export function directionOf(entry: LedgerEntry): EntryDirection {
  return entry.change < 0n ? 'DEBIT' : 'CREDIT'
}

/** Both entries of a transaction just posted: of the source (none for a deposit) and of the destination. */
export function entriesOf({ transaction, balancesAfter }: Required<Posted>): LedgerEntry[] {
  const entries: LedgerEntry[] = []
  const { sourceUserId, sourceSequence, destinationUserId, destinationSequence, amount } = transaction
  if (sourceUserId !== null && sourceSequence !== null && balancesAfter.source !== null) {
    entries.push({
      accountId: sourceUserId,
      sequence: sourceSequence,
      change: -amount,
      balanceAfter: balancesAfter.source,
      transaction,
    })
  }
  entries.push({
    accountId: destinationUserId,
    sequence: destinationSequence,
    change: amount,
    balanceAfter: balancesAfter.destination,
    transaction,
  })
  return entries
}
