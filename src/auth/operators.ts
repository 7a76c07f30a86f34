import { randomBytes } from 'node:crypto'
import { eq, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../db/pool.ts'
import { users } from '../db/tables.ts'
import { hashPassword } from './passwords.ts'
import { endSessionsOf, openSession, type Session, type SessionOptions } from './sessions.ts'

/**
 * Makes an operator, or gives one a new password, and ends their earlier sessions.
 *
 * @param email in its canonical form.
 * @returns the password, which is shown only once.
 */
export async function makeOperator(database: Database, email: string): Promise<{ password: string; userId: string }> {
  const password = randomBytes(18).toString('base64url')
  const passwordHash = await hashPassword(password)
  const [user] = await database
    .insert(users)
    .values({ id: uuidv7(), email, passwordHash, role: 'OPERATOR' })
    .onConflictDoUpdate({ target: users.email, set: { passwordHash, role: 'OPERATOR', updatedAt: sql`now()` } })
    .returning({ id: users.id })
  const userId = (user as { id: string }).id
  await endSessionsOf(database, userId)
  return { password, userId }
}

/** The demo operator of a development database has no password, only a token that is kept in a file. */
const DEMO_OPERATOR = 'demo-operator@thesaurum.invalid'

/** @returns the id of the demo operator, who is made if there is none. */
export async function findDemoOperator(database: Database): Promise<string> {
  await database
    .insert(users)
    .values({ id: uuidv7(), email: DEMO_OPERATOR, passwordHash: null, role: 'OPERATOR' })
    .onConflictDoNothing({ target: users.email })
  const [user] = await database.select({ id: users.id }).from(users).where(eq(users.email, DEMO_OPERATOR))
  return (user as { id: string }).id
}

/** Begins a session of the demo operator. */
export async function openDemoSession(database: Database, options: SessionOptions): Promise<Session> {
  return openSession(database, await findDemoOperator(database), options)
}

/** Ends the demo operator's sessions, which last for years: the token of a development server is worth nothing in production. */
export async function endDemoSessions(database: Database): Promise<void> {
  const [user] = await database.select({ id: users.id }).from(users).where(eq(users.email, DEMO_OPERATOR))
  if (user) await endSessionsOf(database, user.id)
}
