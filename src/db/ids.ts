import type { Brand } from './brand.ts'

/* Ids of rows: version 7 UUIDs in lower case. Each kind is a type of its own, so that no id is taken for another. */

/** Of what holds money. */
export type AccountId = Brand<string, 'AccountId'>

/** Of a transaction in the ledger, which is never a database transaction. */
export type TransactionId = Brand<string, 'TransactionId'>

/** Takes a UUID that is the id of an account, or is to be looked up as one. */
export const toAccountId = (uuid: string): AccountId => uuid as AccountId

/** Takes a UUID that is the id of a transaction, or is to be looked up as one. */
export const toTransactionId = (uuid: string): TransactionId => uuid as TransactionId

/** Every user has a main account, whose id is the user's. */
export const accountOfUser = (userId: string): AccountId => toAccountId(userId)
