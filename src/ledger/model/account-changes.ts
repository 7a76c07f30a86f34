import type { Account } from './account.ts'
import type { AccountBalance } from './balance.ts'

/** How many accounts a user may own, the main account and closed ones included. House accounts have no such limit. */
export const ACCOUNTS_PER_OWNER_MAX = 1_000

export interface NewAccount {
  /** Names the call, so that it can be sent again. */
  idempotencyKey: string
  /** null: a house account. */
  ownerId: string | null
  /** A code. null: the ledger's. */
  currency: string | null
  name: string | null
}

/** What two calls with one key must have in common. */
export type NewAccountField = 'ownerId' | 'currency' | 'name'

export type AccountCreation =
  | { account: Account }
  | { refusal: 'USER_NOT_FOUND' | 'CURRENCY_NOT_FOUND' | 'TOO_MANY_ACCOUNTS' }
  | { refusal: 'IDEMPOTENCY_CONFLICT'; differingFields: NewAccountField[] }

/** undefined: stays as it is. null: no name. */
export interface AccountNames {
  name?: string | null | undefined
  publicName?: string | null | undefined
}

export type StatusChange =
  | { account: Account }
  | { refusal: 'ACCOUNT_NOT_FOUND' }
  /** Only an empty account can be closed. */
  | { refusal: 'ACCOUNT_NOT_EMPTY'; balance: AccountBalance }
