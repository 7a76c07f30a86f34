import type { Amount } from '../../db/amount.ts'

/** Sums over the whole ledger at one moment. They may exceed 64 bits. */
export interface LedgerTotals {
  accountCount: number
  transactionCount: number
  /** All deposits. */
  deposited: Amount
  /** The sum of all balances, as they are served (checkpoint and tail). If it differs from `deposited`, the ledger is broken. */
  balances: Amount
}
