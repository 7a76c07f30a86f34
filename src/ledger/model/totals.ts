import type { Amount } from '../../db/amount.ts'
import type { Currency } from './account.ts'

/** Sums over the whole ledger at one moment. */
export interface LedgerTotals {
  userCount: number
  accountCount: number
  transactionCount: number
  /** One for each currency that accounts have, by code. */
  currencies: CurrencyTotals[]
}

/** Sums over all accounts of a currency. They may exceed 64 bits. */
export interface CurrencyTotals {
  currency: Currency
  /** All deposits. */
  deposited: Amount
  /** All withdrawals. */
  withdrawn: Amount
  /**
   * The sum of all balances, as they are served (checkpoint and tail). If it differs from `deposited` less `withdrawn`, the
   * ledger is broken. */
  balances: Amount
}
