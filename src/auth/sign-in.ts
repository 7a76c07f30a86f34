import { eq } from 'drizzle-orm'
import type { Database } from '../db/pool.ts'
import { users } from '../db/tables.ts'
import { verifyPassword } from './passwords.ts'
import { openSession, type Session, type SessionOptions } from './sessions.ts'
import type { Throttle } from './throttle.ts'

export interface SignIn extends Session {
  userId: string
}

export interface SignInRequest {
  /** In its canonical form. */
  email: string
  password: string
  /** The address it comes from. */
  client: string
}

/**
 * Begins a session of whoever knows the password. Who is not known, who cannot sign in and who has it wrong are one case:
 * the same statements are sent and the same hash is worked out.
 *
 * @returns undefined when it is not the password.
 * @throws {TooManyAttemptsError}
 * @throws {HashQueueFullError}
 */
export async function signIn(
  { email, password, client }: SignInRequest,
  { database, throttle, sessions }: { database: Database; throttle: Throttle; sessions: SessionOptions },
): Promise<SignIn | undefined> {
  await throttle.count(email, client)
  const [user] = await database
    .select({ id: users.id, passwordHash: users.passwordHash })
    .from(users)
    .where(eq(users.email, email))
  const isRight = await verifyPassword(user?.passwordHash ?? null, password)
  if (!user || !isRight) return undefined
  await throttle.clear(email, client)
  return { ...(await openSession(database, user.id, sessions)), userId: user.id }
}
