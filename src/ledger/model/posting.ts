import type { Amount } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import type { Metadata } from '../../db/metadata.ts'
import type { Refusal } from './refusal.ts'
import type { Sides } from './sides.ts'
import type { LedgerTransaction } from './transaction.ts'

/** A request to move money. Its id is made once, before the first attempt, and every further attempt keeps it. */
export interface Posting extends Sides {
  id: TransactionId
  idempotencyKey: string
  amount: Amount
  /** The transaction that it takes back, whole or in part, and that one's amount. */
  reverses?: Pick<LedgerTransaction, 'id' | 'amount'> | null | undefined
  description?: string | null | undefined
  metadata?: Metadata | null | undefined
  /** The code of the currency that the caller expects: the posting is refused if its accounts have another. null: any. */
  currency?: string | null | undefined
  /** Takes money out of a frozen account. It is not part of the payload. */
  ignoreFreeze?: boolean | undefined
}

export interface Posted {
  transaction: LedgerTransaction
  /** True when an earlier attempt with this key had posted it. */
  replayed: boolean
  /** Balances right after the transaction, null where the side is; absent on a replay from before this batch. */
  balancesAfter?: { source: Amount | null; destination: Amount | null }
  /** The code of the currency of its accounts, as they were locked. */
  currency: string | undefined
}

export type Outcome = { posted: Posted } | { refusal: Refusal }

/** The outcome of postings that are posted together or not at all: all of them, or the first that was refused. */
export type CallOutcome = { posted: Posted[] } | { refusal: Refusal; index: number }

/** A posting as a caller requests it. The engine adds the id. */
export type PostingRequest = Omit<Posting, 'id'>
