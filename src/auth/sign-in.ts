import { eq } from 'drizzle-orm'
import type { Database } from '../db/pool.ts'
import { users } from '../db/tables.ts'
import { HashQueueFullError } from './model/sign-in-errors.ts'
import { verifyPassword } from './passwords.ts'
import { endSession, openSession, type Session, type SessionOptions } from './sessions.ts'
import type { Attempt, Throttle } from './throttle.ts'

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
 * Begins a session for whoever knows the password. An unknown user, a user who cannot sign in and a wrong password are
 * treated alike: the same statements are sent, and one hash is computed.
 *
 * @returns undefined when the password is wrong.
 * @throws {TooManyAttemptsError}
 * @throws {HashQueueFullError}
 */
export async function signIn(
  { email, password, client }: SignInRequest,
  { database, throttle, sessions }: { database: Database; throttle: Throttle; sessions: SessionOptions },
): Promise<SignIn | undefined> {
  const attempt = await throttle.count(email, client)
  const readUser = async () => {
    const columns = { id: users.id, passwordHash: users.passwordHash }
    const [user] = await database.select(columns).from(users).where(eq(users.email, email))
    return user
  }
  const user = await readUser()
  const isRight = await checkPassword(attempt, user?.passwordHash ?? null, password)
  if (!user || !isRight) return undefined
  await attempt.succeed()
  const session = await openSession(database, user.id, sessions)
  // A new password ends all sessions that exist at that time. It may have been set just before this session existed:
  // then it is committed, since the session waited for it.
  if ((await readUser())?.passwordHash !== user.passwordHash) {
    await endSession(database, session.token)
    return undefined
  }
  return { ...session, userId: user.id }
}

/** Whether a password is right, as an attempt that was counted beforehand. */
export function checkPassword(attempt: Attempt, passwordHash: string | null, password: string): Promise<boolean> {
  return verifyPassword(passwordHash, password).catch(async (error) => {
    // The password was not checked, and the error asks for a retry: this must not count as a failed attempt.
    if (error instanceof HashQueueFullError) await attempt.takeBack()
    throw error
  })
}
