import { sql } from 'drizzle-orm'
import { apiTokens, sessions, signInLimits } from '../../db/access-tables.ts'
import { daysAgo, type RetentionRule } from '../../db/retention-rule.ts'

export interface AuthRetention {
  /** How long a session is kept after it ended. */
  sessionDays: number
  /** How long an API token is kept after it was revoked or expired. */
  apiTokenDays: number
}

/** So that the clocks of two server processes may differ. */
const LIMIT_KEPT_MS = 3_600_000

/** What auth deletes, and when. Each `endedAt` has an index in `db/tables.ts`. */
export const authRetentionRules = ({ sessionDays, apiTokenDays }: AuthRetention): RetentionRule[] => [
  {
    name: 'sessions',
    table: sessions,
    key: sessions.tokenHash,
    // Not when it became idle: an index on that would have to be written each time the session is used.
    endedAt: sql`least(${sessions.expiresAt}, ${sessions.revokedAt})`,
    deletedBefore: daysAgo(sessionDays),
  },
  {
    name: 'api_tokens',
    table: apiTokens,
    key: apiTokens.id,
    endedAt: sql`least(${apiTokens.expiresAt}, ${apiTokens.revokedAt})`,
    deletedBefore: daysAgo(apiTokenDays),
  },
  {
    name: 'sign_in_limits',
    table: signInLimits,
    key: signInLimits.key,
    endedAt: signInLimits.expire,
    deletedBefore: sql`(extract(epoch from now()) * 1000)::bigint - ${LIMIT_KEPT_MS}::bigint`,
  },
]
