import { and, eq, isNull, or, sql } from 'drizzle-orm'
import { apiTokens, sessions } from '../db/access-tables.ts'
import type { AccountId } from '../db/ids.ts'
import { jointStatement } from '../db/joint-statement.ts'
import type { Database } from '../db/pool.ts'
import { preparedOnce } from '../db/prepared.ts'
import { users } from '../db/tables.ts'
import { type Viewer, viewerOfApiToken, viewerOfUser } from './model/viewer.ts'
import { OwnedAccounts } from './owned-accounts.ts'
import { hashToken, tokenKindOf } from './token.ts'

/** What a token gives, as the database has it. */
export interface Grant {
  viewer: Viewer
  /** How long it lasts without another request, by the database's clock; Infinity: until it is revoked. */
  leftMs: number
  /** Whether it is time to note that the session was in use. */
  isStale: boolean
}

/** A session's last use is noted at most this often, but at least four times in its idle timeout. */
const NOTE_INTERVAL_MS = 60_000

const NO_ACCOUNTS: ReadonlySet<AccountId> = new Set()

const now = sql`clock_timestamp()`
const milliseconds = (span: ReturnType<typeof sql>) => sql<number>`(extract(epoch from ${span}) * 1000)::float8`
const idleEnd = sql`${sessions.lastSeenAt} + ${sessions.idleTimeoutMs} * interval '1 millisecond'`
const sessionLeft = milliseconds(sql`least(${sessions.expiresAt}, ${idleEnd}) - ${now}`)

const readSessions = preparedOnce((database) =>
  database
    .select({
      hash: sessions.tokenHash,
      userId: users.id,
      role: users.role,
      // An operator has all accounts.
      accountCount: sql<number>`case when ${users.role} = 'USER' then (
        select count(*)::int from public.accounts where owner_id = ${users.id}
      ) else 0 end`.as('account_count'),
      leftMs: sessionLeft.as('left_ms'),
      isStale:
        sql<boolean>`${now} - ${sessions.lastSeenAt} > least(${NOTE_INTERVAL_MS}::bigint, ${sessions.idleTimeoutMs} / 4) * interval '1 millisecond'`.as(
          'is_stale',
        ),
    })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(and(sql`${sessions.tokenHash} = any(${sql.placeholder('hashes')}::bytea[])`, isNull(sessions.revokedAt)))
    .prepare('read_sessions'),
)

const readApiTokens = preparedOnce((database) =>
  database
    .select({
      hash: apiTokens.tokenHash,
      id: apiTokens.id,
      role: apiTokens.role,
      accountIds: apiTokens.accountIds,
      leftMs: milliseconds(sql`${apiTokens.expiresAt} - ${now}`).as('left_ms'),
    })
    .from(apiTokens)
    .where(
      and(
        sql`${apiTokens.tokenHash} = any(${sql.placeholder('hashes')}::bytea[])`,
        isNull(apiTokens.revokedAt),
        or(isNull(apiTokens.expiresAt), sql`${apiTokens.expiresAt} > ${now}`),
      ),
    )
    .prepare('read_api_tokens'),
)

/** Reads what tokens give; undefined: nothing, or no longer. All that one turn of the event loop asks for is read together. */
export function grantReader(database: Database): (tokens: readonly string[]) => Promise<(Grant | undefined)[]> {
  const ownedAccounts = new OwnedAccounts(database)
  return jointStatement(async (tokens) => {
    const hashes = tokens.map(hashToken)
    const byKind = (kind: string) => hashes.filter((_, index) => tokenKindOf(tokens[index] as string) === kind)
    const [sessionHashes, apiHashes] = [byKind('session'), byKind('api')]
    const [sessionRows, apiRows] = await Promise.all([
      sessionHashes.length > 0 ? readSessions(database).execute({ hashes: sessionHashes }) : [],
      apiHashes.length > 0 ? readApiTokens(database).execute({ hashes: apiHashes }) : [],
    ])
    const owned = await ownedAccounts.find(sessionRows)
    const grants = new Map<string, Grant>()
    for (const { hash, userId, role, leftMs, isStale } of sessionRows)
      if (leftMs > 0)
        grants.set(hash.toString('hex'), {
          viewer: viewerOfUser(userId, role, owned.get(userId) ?? NO_ACCOUNTS),
          leftMs,
          isStale,
        })
    for (const { hash, id, role, accountIds, leftMs } of apiRows)
      grants.set(hash.toString('hex'), {
        viewer: viewerOfApiToken(id, role, accountIds),
        leftMs: leftMs ?? Number.POSITIVE_INFINITY,
        isStale: false,
      })
    return hashes.map((hash) => grants.get(hash.toString('hex')))
  })
}
