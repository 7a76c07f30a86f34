import type { Amount } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'
import type { Metadata } from '../../db/metadata.ts'
import type { TransactionKind } from './sides.ts'

/** A place in the ledger. */
export interface TransactionPosition {
  createdAt: Instant
  id: TransactionId
}

/** Transactions must match all conditions that are given. */
export interface TransactionFilter {
  kind?: TransactionKind | null | undefined
  /** The code of the currency of both accounts. */
  currency?: string | null | undefined
  /** Both included. */
  amountMin?: Amount | null | undefined
  amountMax?: Amount | null | undefined
  /** All of these. */
  metadata?: Metadata | null | undefined
  /** In any case of letters. */
  descriptionContains?: string | null | undefined
  /** Only reversals, or only what is none. */
  reversal?: boolean | null | undefined
  /** Included. */
  from?: Instant | null | undefined
  /** Excluded. */
  to?: Instant | null | undefined
}
