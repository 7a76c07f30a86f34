import type { Brand } from './brand.ts'

/** Minor units of the one currency that the ledger holds. Always exact: a JavaScript number is not. */
export type Amount = Brand<bigint, 'Amount'>

/** Takes a count of minor units, such as the sum of two amounts. */
export const toAmount = (minorUnits: bigint): Amount => minorUnits as Amount

/** For columns that are an amount: PostgreSQL sends a text. */
export const readAmount = (text: string): Amount => toAmount(BigInt(text))
