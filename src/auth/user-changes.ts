import { and, eq, isNotNull, or, sql } from 'drizzle-orm'
import type pg from 'pg'
import type { Database } from '../db/pool.ts'
import { constraintOf } from '../db/sqlstate.ts'
import { users } from '../db/tables.ts'
import { inTransaction, type TransactionLimits } from '../db/transaction.ts'
import type { UserChange, UserChangeRefusal } from './model/user-change.ts'
import { hashPassword } from './passwords.ts'
import { endSessionsOf } from './sessions.ts'

/*
 * Changes of users. Each runs in one database transaction with the end of the user's sessions, so that no session outlives
 * what it was opened with.
 *
 * A new password locks the user's row against the foreign key of a new session. So a session is either there when the user's
 * sessions end, or is opened after the change is committed, and then `signIn` sees the new password. A new e-mail address
 * has this lock of its own, since the address is a key.
 */

/** What the changes run on. */
export interface UserChangesOn {
  pool: pg.Pool
  limits: TransactionLimits
}

/**
 * Changes the e-mail address or the role of a user. If that changes anything, it ends the user's sessions.
 *
 * @returns undefined when it was done, also when there was nothing to change.
 */
export async function updateUser(
  { pool, limits }: UserChangesOn,
  userId: string,
  { email, role }: UserChange,
): Promise<UserChangeRefusal | undefined> {
  try {
    return await inTransaction(pool, limits, async (tx) => {
      const locked = await lockUsers(tx, userId, role === 'USER')
      const user = locked.find(({ id }) => id === userId)
      if (!user) return 'USER_NOT_FOUND'
      const changed = { email: email ?? user.email, role: role ?? user.role }
      if (changed.email === user.email && changed.role === user.role) return undefined
      const isDemoted = user.role === 'OPERATOR' && changed.role === 'USER'
      if (isDemoted && locked.length === 1) return 'LAST_OPERATOR'
      await tx
        .update(users)
        .set({ ...changed, updatedAt: sql`clock_timestamp()` })
        .where(eq(users.id, userId))
      await endSessionsOf(tx, userId)
      return undefined
    })
  } catch (error) {
    if (constraintOf(error) === 'users_email_unique') return 'EMAIL_TAKEN'
    throw error
  }
}

/** A user, and perhaps all operators who can sign in. Locked lowest id first, as postings lock them. */
function lockUsers(tx: Database, userId: string, withOperators: boolean) {
  const isOperator = and(eq(users.role, 'OPERATOR'), isNotNull(users.passwordHash))
  return tx
    .select({ id: users.id, email: users.email, role: users.role })
    .from(users)
    .where(or(eq(users.id, userId), withOperators ? isOperator : undefined))
    .orderBy(users.id)
    .for('no key update')
}

/** Keeps sessions of a user from being opened until the database transaction ends. */
export async function lockOutSessions(tx: Database, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update')
}

/**
 * Gives a user a new password, whatever it was, and ends all sessions of that user.
 *
 * @returns false when there is no such user.
 * @throws {HashQueueFullError}
 */
export async function setPassword({ pool, limits }: UserChangesOn, userId: string, password: string): Promise<boolean> {
  const passwordHash = await hashPassword(password)
  return inTransaction(pool, limits, async (tx) => {
    await lockOutSessions(tx, userId)
    const changed = await tx
      .update(users)
      .set({ passwordHash, updatedAt: sql`clock_timestamp()` })
      .where(eq(users.id, userId))
      .returning({ id: users.id })
    await endSessionsOf(tx, userId)
    return changed.length === 1
  })
}
