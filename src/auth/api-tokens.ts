import { desc, eq, isNull, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { apiTokens } from '../db/access-tables.ts'
import { selectInstant, selectInstantOrNull } from '../db/instant.ts'
import type { Database } from '../db/pool.ts'
import { API_TOKENS_LISTED_MAX, type ApiToken, type NewApiToken } from './model/api-token.ts'
import { hashToken, makeToken } from './token.ts'

const columns = {
  id: apiTokens.id,
  name: apiTokens.name,
  role: apiTokens.role,
  accountIds: apiTokens.accountIds,
  createdBy: apiTokens.createdBy,
  createdAt: selectInstant(apiTokens.createdAt),
  expiresAt: selectInstantOrNull(apiTokens.expiresAt),
  revokedAt: selectInstantOrNull(apiTokens.revokedAt),
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

/**
 * Revokes a token. Revoked again, it keeps the first time.
 *
 * @returns undefined when there is no such token.
 */
export async function revokeApiToken(database: Database, id: string): Promise<ApiToken | undefined> {
  const [revoked] = await database
    .update(apiTokens)
    .set({ revokedAt: sql`coalesce(${apiTokens.revokedAt}, clock_timestamp())` })
    .where(eq(apiTokens.id, id))
    .returning(columns)
  return revoked
}

/** The tokens that are not revoked, newest first. */
export function listApiTokens(database: Database): Promise<ApiToken[]> {
  return database
    .select(columns)
    .from(apiTokens)
    .where(isNull(apiTokens.revokedAt))
    .orderBy(desc(apiTokens.id))
    .limit(API_TOKENS_LISTED_MAX)
}
