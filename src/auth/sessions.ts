import { and, desc, eq, inArray, isNull, lt, ne, or, sql } from 'drizzle-orm'
import { sessions } from '../db/access-tables.ts'
import { type Instant, selectInstant } from '../db/instant.ts'
import type { Database } from '../db/pool.ts'
import { hashToken, makeToken } from './token.ts'

export interface SessionOptions {
  /** A session ends after so long without a request. */
  idleTimeoutMs: number
  /** A session ends so long after the sign-in at the latest. */
  lifetimeMs: number
}

export interface Session {
  /** Shown once: only its hash is stored. */
  token: string
  expiresAt: Instant
}

/** Of one user. With more, the oldest end: a client that signs in for every request would fill the table. */
const SESSIONS_MAX = 100

/** Begins a session of a user, and deletes those of their sessions that have ended. */
export async function openSession(
  database: Database,
  userId: string,
  { idleTimeoutMs, lifetimeMs }: SessionOptions,
): Promise<Session> {
  const token = makeToken('session')
  const [opened] = await database
    .insert(sessions)
    .values({
      tokenHash: hashToken(token),
      userId,
      idleTimeoutMs,
      createdAt: sql`clock_timestamp()`,
      lastSeenAt: sql`clock_timestamp()`,
      expiresAt: sql`clock_timestamp() + ${lifetimeMs} * interval '1 millisecond'`,
    })
    .returning({ expiresAt: selectInstant(sessions.expiresAt) })
  const newest = database
    .select({ tokenHash: sessions.tokenHash })
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt)))
    .orderBy(desc(sessions.createdAt))
    .limit(SESSIONS_MAX)
  await database
    .delete(sessions)
    .where(
      and(
        eq(sessions.userId, userId),
        ne(sessions.tokenHash, hashToken(token)),
        or(lt(sessions.expiresAt, sql`clock_timestamp()`), sql`${sessions.tokenHash} not in ${newest}`),
      ),
    )
  return { token, expiresAt: (opened as { expiresAt: Instant }).expiresAt }
}

/** @returns when it ended; undefined when there is no such session. */
export async function endSession(database: Database, token: string): Promise<Instant | undefined> {
  const [ended] = await database
    .update(sessions)
    .set({ revokedAt: sql`clock_timestamp()` })
    .where(and(eq(sessions.tokenHash, hashToken(token)), isNull(sessions.revokedAt)))
    .returning({ endedAt: selectInstant(sessions.revokedAt) })
  return ended?.endedAt
}

/**
 * Ends the sessions of a user.
 *
 * @param keptToken of the only session that goes on, if one does.
 */
export async function endSessionsOf(database: Database, userId: string, keptToken?: string): Promise<void> {
  const isOther = keptToken === undefined ? undefined : ne(sessions.tokenHash, hashToken(keptToken))
  await database
    .update(sessions)
    .set({ revokedAt: sql`clock_timestamp()` })
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt), isOther))
}

/** Notes that these sessions were in use. */
export async function touchSessions(database: Database, tokenHashes: readonly Buffer[]): Promise<void> {
  await database
    .update(sessions)
    .set({ lastSeenAt: sql`clock_timestamp()` })
    .where(inArray(sessions.tokenHash, [...tokenHashes]))
}
