import { and, eq, sql } from 'drizzle-orm'
import { databaseOf } from '../db/pool.ts'
import { users } from '../db/tables.ts'
import { inTransaction } from '../db/transaction.ts'
import { hashPassword } from './passwords.ts'
import { endSessionsOf } from './sessions.ts'
import { checkPassword } from './sign-in.ts'
import type { Throttle } from './throttle.ts'
import { lockOutSessions, type UserChangesOn } from './user-changes.ts'

export interface PasswordChange {
  userId: string
  /** Of the session that goes on. */
  token: string
  currentPassword: string
  newPassword: string
  /** The address it comes from. */
  client: string
}

/**
 * Changes the password of a user who knows the current one, and ends the user's other sessions. Attempts count like those
 * to sign in.
 *
 * @returns false when the current password is wrong.
 * @throws {TooManyAttemptsError}
 * @throws {HashQueueFullError} nothing was changed.
 */
export async function changePassword(
  { userId, token, currentPassword, newPassword, client }: PasswordChange,
  { pool, limits, throttle }: UserChangesOn & { throttle: Throttle },
): Promise<boolean> {
  const columns = { email: users.email, passwordHash: users.passwordHash }
  const [user] = await databaseOf(pool).select(columns).from(users).where(eq(users.id, userId))
  if (!user) return false
  const attempt = await throttle.count(user.email, client)
  if (!(await checkPassword(attempt, user.passwordHash, currentPassword))) return false
  await attempt.succeed()
  const passwordHash = await hashPassword(newPassword)
  return inTransaction(pool, limits, async (tx) => {
    await lockOutSessions(tx, userId)
    const changed = await tx
      .update(users)
      .set({ passwordHash, updatedAt: sql`clock_timestamp()` })
      // Somebody may have set another one since it was checked.
      .where(and(eq(users.id, userId), eq(users.passwordHash, user.passwordHash as string)))
      .returning({ id: users.id })
    if (changed.length === 0) return false
    await endSessionsOf(tx, userId, token)
    return true
  })
}
