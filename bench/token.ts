import { createApiToken } from '../src/auth/api-tokens.ts'
import { databaseOf, openPool } from '../src/db/pool.ts'

/** A token for everything, on a database of a benchmark. */
export async function makeToken(url: string): Promise<string> {
  const pool = openPool({
    url,
    name: 'bench',
    connectionsMax: 1,
    preparedStatements: true,
    connectTimeoutMs: 5_000,
    answerTimeoutMs: 5_000,
  })
  const { token } = await createApiToken(databaseOf(pool), {
    name: 'bench',
    role: 'OPERATOR',
    accountIds: null,
    expiresAt: null,
    createdBy: null,
  })
  await pool.end()
  return token
}
