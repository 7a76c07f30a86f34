import type { Brand } from './brand.ts'

/** Minor units of the ledger's one currency. A bigint is always exact; a JavaScript number is not. */
export type Amount = Brand<bigint, 'Amount'>

/** Takes a count of minor units, such as the sum of two amounts. */
export const toAmount = (minorUnits: bigint): Amount => minorUnits as Amount

export const ZERO = toAmount(0n)

/** For columns that are an amount: PostgreSQL sends a text. */
export const readAmount = (text: string): Amount => toAmount(BigInt(text))
