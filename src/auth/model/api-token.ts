import type { AccountId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'
import type { Role } from './viewer.ts'

/** An API token, for a service. The token itself is shown once, when it is made. */
export interface ApiToken {
  id: string
  name: string
  role: Role
  /** null: all accounts. */
  accountIds: AccountId[] | null
  /** null: it was not made through the API. */
  createdBy: string | null
  createdAt: Instant
  /** null: it lasts until it is revoked. */
  expiresAt: Instant | null
  revokedAt: Instant | null
}

export type NewApiToken = Pick<ApiToken, 'name' | 'role' | 'accountIds' | 'createdBy' | 'expiresAt'>

/** How many are listed at most. */
export const API_TOKENS_LISTED_MAX = 1_000
