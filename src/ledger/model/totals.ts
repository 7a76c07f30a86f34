import type { Cents } from './money.ts'

/** Sums over the whole ledger, of one moment. They may pass 64 bits. */
export interface LedgerTotals {
  userCount: number
  transactionCount: number
  /** Money that came in from the world outside. */
  deposited: Cents
  /** The sum of every account's balance, each as it is served (checkpoint and tail). Equal to `deposited`, or the ledger is broken. */
  balances: Cents
}
