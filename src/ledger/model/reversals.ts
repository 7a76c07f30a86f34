import type { Amount } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import type { LedgerTransaction } from './transaction.ts'
import type { TransactionPosition } from './transaction-page.ts'

/** All reversals of a transaction together. */
export interface Reversed {
  amount: Amount
  count: number
}

/** A page of the reversals of a transaction, newest first. */
export interface ReversalsRequest {
  id: TransactionId
  size: number
  after: TransactionPosition | undefined
}

export interface ReversalsPage {
  items: LedgerTransaction[]
  hasOlder: boolean
  hasNewer: boolean
}
