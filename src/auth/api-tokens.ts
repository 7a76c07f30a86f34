import { desc, eq, isNull, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { type Instant, selectInstant } from '../db/instant.ts'
import type { Database } from '../db/pool.ts'
import { apiTokens } from '../db/tables.ts'
import { hashToken, makeToken } from './token.ts'
import type { Role } from './viewer.ts'

/** An API token, for a service. The token itself is shown once, when it is made. */
export interface ApiToken {
  id: string
  name: string
  role: Role
  /** null: all accounts. */
  accountIds: string[] | null
  /** null: it was not made through the API. */
  createdBy: string | null
  createdAt: Instant
  /** null: it lasts until it is revoked. */
  expiresAt: Instant | null
  revokedAt: Instant | null
}

export type NewApiToken = Pick<ApiToken, 'name' | 'role' | 'accountIds' | 'createdBy' | 'expiresAt'>

/** How many are listed. */
export const API_TOKENS_LISTED_MAX = 1_000

const columns = {
  id: apiTokens.id,
  name: apiTokens.name,
  role: apiTokens.role,
  accountIds: apiTokens.accountIds,
  createdBy: apiTokens.createdBy,
  createdAt: selectInstant(apiTokens.createdAt),
  expiresAt: selectInstant(apiTokens.expiresAt) as ReturnType<typeof sql<Instant | null>>,
  revokedAt: selectInstant(apiTokens.revokedAt) as ReturnType<typeof sql<Instant | null>>,
}

export async function createApiToken(
  database: Database,
  values: NewApiToken,
): Promise<{ token: string; apiToken: ApiToken }> {
  const token = makeToken('api')
  const [apiToken] = await database
    .insert(apiTokens)
    .values({ id: uuidv7(), tokenHash: hashToken(token), ...values })
    .returning(columns)
  return { token, apiToken: apiToken as ApiToken }
}

/** Done twice, the first time stays. @returns undefined when there is no such token. */
export async function revokeApiToken(database: Database, id: string): Promise<ApiToken | undefined> {
  const [revoked] = await database
    .update(apiTokens)
    .set({ revokedAt: sql`coalesce(${apiTokens.revokedAt}, clock_timestamp())` })
    .where(eq(apiTokens.id, id))
    .returning(columns)
  return revoked
}

/** Those that are not revoked, newest first. */
export function listApiTokens(database: Database): Promise<ApiToken[]> {
  return database
    .select(columns)
    .from(apiTokens)
    .where(isNull(apiTokens.revokedAt))
    .orderBy(desc(apiTokens.id))
    .limit(API_TOKENS_LISTED_MAX)
}
