/** Minor units of the ledger's one currency. A bigint is always exact; a JavaScript number is not. */
export type Cents = bigint

/** The limits of PostgreSQL's `bigint`, for amounts and balances. Totals may exceed them. */
export const CENTS_MAX: Cents = 2n ** 63n - 1n
export const CENTS_MIN: Cents = -(2n ** 63n)
