/** Minor units of the one currency the ledger holds. Always exact; a JavaScript number never is. */
export type Cents = bigint

/** PostgreSQL's `bigint`: no amount and no balance passes it. Totals may. */
export const CENTS_MAX: Cents = 2n ** 63n - 1n
export const CENTS_MIN: Cents = -(2n ** 63n)
