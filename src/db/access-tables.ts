import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, text, uniqueIndex, uuid, varchar } from 'drizzle-orm/pg-core'
import { bytea, time } from './columns.ts'
import type { AccountId } from './ids.ts'
import { privateSchema, users } from './tables.ts'

/** A signed-in client. Only the hash of its token is here. */
export const sessions = privateSchema.table(
  'sessions',
  {
    tokenHash: bytea('token_hash').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    createdAt: time('created_at').notNull().defaultNow(),
    expiresAt: time('expires_at').notNull(),
    lastSeenAt: time('last_seen_at').notNull().defaultNow(),
    /** The session ends when nothing was asked for so long. */
    idleTimeoutMs: bigint('idle_timeout_ms', { mode: 'number' }).notNull().default(3_600_000),
    revokedAt: time('revoked_at'),
  },
  (table) => [
    index('sessions_user').on(table.userId),
    // For the cleaner. Not on `last_seen_at`, which changes all the time.
    index('sessions_ended').on(sql`least(${table.expiresAt}, ${table.revokedAt})`),
  ],
)

/** A service's way in, made by an operator. Only the hash of the token is here. */
export const apiTokens = privateSchema.table(
  'api_tokens',
  {
    id: uuid('id').primaryKey(),
    tokenHash: bytea('token_hash').notNull(),
    name: text('name').notNull(),
    role: text('role', { enum: ['USER', 'OPERATOR'] }).notNull(),
    /** null: all accounts, which takes an operator's role. */
    accountIds: uuid('account_ids').array().$type<AccountId[]>(),
    /** null: it was not made through the API. */
    createdBy: uuid('created_by').references(() => users.id),
    createdAt: time('created_at').notNull().defaultNow(),
    expiresAt: time('expires_at'),
    revokedAt: time('revoked_at'),
  },
  (table) => [
    uniqueIndex('api_tokens_hash_unique').on(table.tokenHash),
    index('api_tokens_ended').on(sql`least(${table.expiresAt}, ${table.revokedAt})`),
    check(
      'api_tokens_role_known',
      sql`${table.role} = 'OPERATOR' or (${table.role} = 'USER' and ${table.accountIds} is not null)`,
    ),
  ],
)

/** How often somebody tried to sign in. Written by a library, whose words these are: `expire` is in milliseconds since 1970. */
export const signInLimits = privateSchema.table(
  'sign_in_limits',
  {
    key: varchar('key', { length: 255 }).primaryKey(),
    points: integer('points').notNull().default(0),
    expire: bigint('expire', { mode: 'number' }),
  },
  (table) => [index('sign_in_limits_expire').on(table.expire)],
)
