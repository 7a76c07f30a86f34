import { randomUUID } from 'node:crypto'
import { createApiToken } from '../../src/auth/api-tokens.ts'
import { findDemoOperator } from '../../src/auth/operators.ts'
import { openSession } from '../../src/auth/sessions.ts'
import { databaseOf } from '../../src/db/pool.ts'
import type { TestDatabase } from './database.ts'

/** Of the servers that run, by host and port: whatever asks one of them finds its operator's token here. */
export const OPERATOR_TOKENS = new Map<string, string>()

/** The token of an operator; null where there is none: the address is not one of a test server. */
export function operatorTokenFor(endpoint: string): string | null {
  return OPERATOR_TOKENS.get(new URL(endpoint).host) ?? null
}

/** The header that makes a request an operator's. */
export function authorizationFor(endpoint: string): Record<string, string> {
  const token = operatorTokenFor(endpoint)
  return token === null ? {} : { authorization: `Bearer ${token}` }
}

/** A token for everything, made by somebody who is no user: tests count those. */
export async function makeTestOperator({ pool }: TestDatabase): Promise<string> {
  const { token } = await createApiToken(databaseOf(pool), {
    name: `the tests ${randomUUID()}`,
    role: 'OPERATOR',
    accountIds: null,
    expiresAt: null,
    createdBy: null,
  })
  return token
}

/** A session of somebody who runs the ledger. */
export async function signInOperator({ pool }: TestDatabase): Promise<string> {
  const database = databaseOf(pool)
  const accountId = await findDemoOperator(database)
  const { token } = await openSession(database, accountId, { idleTimeoutMs: 3_600_000, lifetimeMs: 3_600_000 })
  return token
}
