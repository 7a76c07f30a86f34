import { type Amount, toAmount } from '../../db/amount.ts'

/** The limits of PostgreSQL's `bigint`, for amounts and balances. Totals may exceed them. */
export const AMOUNT_MAX: Amount = toAmount(2n ** 63n - 1n)
export const AMOUNT_MIN: Amount = toAmount(-(2n ** 63n))
