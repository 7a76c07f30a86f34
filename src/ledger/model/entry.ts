import { type Amount, toAmount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { Posted } from './posting.ts'
import type { LedgerTransaction } from './transaction.ts'

export type EntryDirection = 'CREDIT' | 'DEBIT'

/** One side of a transaction: its place and effect in one account. */
export interface LedgerEntry {
  accountId: AccountId
  /** Numbers the entries of the account 1, 2, 3 … without gaps. */
  sequence: number
  /** Signed: what the transaction did to this account. */
  change: Amount
  /** The running balance, this entry included. */
  balanceAfter: Amount
  transaction: LedgerTransaction
}

export function directionOf(entry: LedgerEntry): EntryDirection {
  return entry.change < 0n ? 'DEBIT' : 'CREDIT'
}

/** The entries of a transaction just posted, the source's first: one for each account whose money moved. */
export function entriesOf({
  transaction,
  balancesAfter,
}: Required<Pick<Posted, 'transaction' | 'balancesAfter'>>): LedgerEntry[] {
  const { sourceAccountId, sourceSequence, destinationAccountId, destinationSequence, amount } = transaction
  const sides = [
    {
      accountId: sourceAccountId,
      sequence: sourceSequence,
      change: toAmount(-amount),
      balanceAfter: balancesAfter.source,
    },
    {
      accountId: destinationAccountId,
      sequence: destinationSequence,
      change: amount,
      balanceAfter: balancesAfter.destination,
    },
  ]
  return sides.flatMap(({ accountId, sequence, change, balanceAfter }) =>
    accountId === null || sequence === null || balanceAfter === null
      ? []
      : [{ accountId, sequence, change, balanceAfter, transaction }],
  )
}
