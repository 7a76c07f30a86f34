import type { TransactionId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'
import type { EntryFilter } from './entry-filter.ts'

/** A place in the ledger. */
export interface TransactionPosition {
  createdAt: Instant
  id: TransactionId
}

/** Transactions must match all conditions that are given. */
export interface TransactionFilter extends Omit<EntryFilter, 'direction' | 'counterpartyId'> {
  /** The code of the currency of its accounts. */
  currency?: string | null | undefined
  /** Included. */
  from?: Instant | null | undefined
  /** Excluded. */
  to?: Instant | null | undefined
}
