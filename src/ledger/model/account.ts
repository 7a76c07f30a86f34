import type { AccountId } from '../../db/ids.ts'
import { type Instant, selectInstant } from '../../db/instant.ts'
import { accounts, currencies } from '../../db/tables.ts'

export type AccountStatus = 'OPEN' | 'FROZEN' | 'CLOSED'

/** What money is counted in. */
export interface Currency {
  /** Such as `USD`: 3 to 12 capitals, digits or underscores. */
  code: string
  /** Digits after the point: from 0 to 8. */
  scale: number
}

export interface Account {
  id: AccountId
  /** null: a house account. */
  ownerId: string | null
  currency: Currency
  name: string | null
  publicName: string | null
  status: AccountStatus
  createdAt: Instant
  updatedAt: Instant
}

/** The columns of an Account, for a select from `accounts` that joins `currencies`. */
export const accountColumns = {
  id: accounts.id,
  ownerId: accounts.ownerId,
  currency: { code: currencies.code, scale: currencies.scale },
  name: accounts.name,
  publicName: accounts.publicName,
  status: accounts.status,
  createdAt: selectInstant(accounts.createdAt),
  updatedAt: selectInstant(accounts.updatedAt),
}
