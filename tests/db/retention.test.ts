import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { authRetentionRules } from '../../src/auth/model/retention.ts'
import { type Cleaner, type CleanerOptions, deletionOf, openCleaner } from '../../src/db/cleaner.ts'
import { databaseOf } from '../../src/db/pool.ts'
import { ledgerRetentionRules } from '../../src/ledger/model/retention.ts'
import { makeRowId } from '../../src/ledger/model/row-id.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'

/* What has ended is kept for its time and then deleted; what has not ended stays. */

let database: TestDatabase
const cleaners: Cleaner[] = []
const errors: unknown[] = []

beforeAll(async () => {
  database = await openTestDatabase()
})
afterEach(async () => {
  for (const cleaner of cleaners.splice(0)) await cleaner.close()
  expect(errors.splice(0)).toEqual([])
  await database.pool.query(
    'truncate private.sessions, private.api_tokens, private.sign_in_limits, private.failed_transactions',
  )
})
afterAll(() => database.close())

function open(rules: CleanerOptions['rules'] = authRetentionRules({ sessionDays: 30, apiTokenDays: 90 })): Cleaner {
  const cleaner = openCleaner({
    url: database.url,
    preparedStatements: true,
    answerTimeoutMs: 15_000,
    rules,
    onError: (error) => errors.push(error),
  })
  cleaners.push(cleaner)
  return cleaner
}

/** Each row's first value is its name, in the place of a hash or a key. */
const insert = (statement: string, rows: readonly (readonly [string, ...(string | null)[]])[]) =>
  Promise.all(rows.map(([name, ...values]) => database.pool.query(statement, [name, ...values])))

async function namesIn(table: string, column: string): Promise<string[]> {
  const { rows } = await database.pool.query(`select ${column} as name from private.${table}`)
  return rows.map(({ name }) => String(name)).toSorted()
}

async function makeUser(): Promise<string> {
  const { rows } = await database.pool.query(
    `insert into users (id, email) values (gen_random_uuid(), gen_random_uuid() || '@example.com') returning id`,
  )
  return rows[0].id
}

test('sessions that ended are deleted after their time, whether they expired or were signed out', async () => {
  const userId = await makeUser()
  await insert(
    `insert into private.sessions (token_hash, user_id, created_at, last_seen_at, expires_at, revoked_at)
     values ($1::text::bytea, '${userId}', now() - interval '1 year', now() - interval '1 year', now() + $2::interval, now() + $3::interval)`,
    [
      ['active', '1 day', null],
      ['just expired', '-29 days', null],
      ['just signed out', '1 day', '-29 days'],
      ['long expired', '-31 days', null],
      ['long signed out', '1 year', '-31 days'],
      ['long expired and signed out', '-31 days', '-32 days'],
    ],
  )
  const cleaner = open()
  await cleaner.clean()
  expect(await namesIn('sessions', `convert_from(token_hash, 'UTF8')`)).toEqual([
    'active',
    'just expired',
    'just signed out',
  ])
  expect(cleaner.deletedCounts.get('sessions')).toBe(3)
})

test('API tokens that expired or were revoked are deleted after their time, and those that last for ever stay', async () => {
  await insert(
    `insert into private.api_tokens (id, token_hash, name, role, expires_at, revoked_at)
     values (gen_random_uuid(), gen_random_uuid()::text::bytea, $1, 'OPERATOR', now() + $2::interval, now() + $3::interval)`,
    [
      ['for ever', null, null],
      ['good for a day', '1 day', null],
      ['just expired', '-89 days', null],
      ['just revoked', null, '-89 days'],
      ['long expired', '-91 days', null],
      ['long revoked', '1 year', '-91 days'],
    ],
  )
  await open().clean()
  expect(await namesIn('api_tokens', 'name')).toEqual(['for ever', 'good for a day', 'just expired', 'just revoked'])
})

test('counters of sign-ins are deleted once they have expired', async () => {
  await insert(
    `insert into private.sign_in_limits (key, points, expire)
     values ($1, 1, extract(epoch from now() + $2::interval) * 1000)`,
    [
      ['counts', '15 minutes'],
      ['expired', '-2 hours'],
    ],
  )
  await open().clean()
  expect(await namesIn('sign_in_limits', 'key')).toEqual(['counts'])
})

/** The id that an attempt so long ago was given. */
function idOf(daysAgo: number): string {
  const milliseconds = Date.now() - daysAgo * 86_400_000
  return milliseconds.toString(16).padStart(12, '0') + makeRowId().replaceAll('-', '').slice(12)
}

const insertAttempt = (id: string, code: string) =>
  database.pool.query(
    `insert into private.failed_transactions (id, idempotency_key, destination_account_id, amount, code, message, attempts)
     values ($1, gen_random_uuid(), gen_random_uuid(), 1, $2, '', 1)`,
    [id, code],
  )

test('failed attempts are deleted after their time', async () => {
  await insertAttempt(makeRowId(), 'NOW')
  await insertAttempt(idOf(89.9), 'NOT YET')
  await insertAttempt(idOf(90.1), 'DUE')
  await insertAttempt(idOf(10_000), 'LONG DUE')
  const cleaner = open(ledgerRetentionRules({ failedTransactionDays: 90 }))
  await cleaner.clean()
  expect(await namesIn('failed_transactions', 'code')).toEqual(['NOT YET', 'NOW'])
  expect(cleaner.deletedCounts.get('failed_transactions')).toBe(2)
})

/** Sessions that all expired long ago, or none of them. */
async function fillSessions(count: number, expires: string): Promise<void> {
  await database.pool.query(
    `insert into private.sessions (token_hash, user_id, expires_at)
     select decode(lpad(to_hex(number), 8, '0'), 'hex'), $1, now() + $2::interval from generate_series(1, ${count}) number`,
    [await makeUser(), expires],
  )
}

test('several processes delete thousands of rows together, each row once, and nobody waits for a locked row', async () => {
  await fillSessions(2_600, '-1 year')
  const holder = await database.pool.connect()
  try {
    await holder.query(`begin; select from private.sessions order by token_hash limit 7 for update`)
    const processes = [open(), open(), open()]
    await Promise.all(processes.map((cleaner) => cleaner.clean()))
    expect(await namesIn('sessions', 'token_hash')).toHaveLength(7)
    const counts = processes.map(({ deletedCounts }) => deletedCounts.get('sessions') ?? 0)
    expect(counts.reduce((total, count) => total + count, 0)).toBe(2_593)
  } finally {
    await holder.query('rollback')
    holder.release()
  }
  await open().clean()
  expect(await namesIn('sessions', 'token_hash')).toEqual([])
})

test('a cleaner that is closed in the middle of its work stops, and what is left is for the next', async () => {
  await fillSessions(2_000, '-1 year')
  const first = open()
  const cleaned = first.clean()
  await first.close()
  await cleaned
  expect(first.deletedCounts.get('sessions')).toBeLessThan(2_000)
  await open().clean()
  expect(await namesIn('sessions', 'token_hash')).toEqual([])
})

test('a rule that fails is reported once, and the others go on', async () => {
  await fillSessions(10, '-1 year')
  const [sessions, apiTokens] = authRetentionRules({ sessionDays: 30, apiTokenDays: 90 })
  if (!sessions || !apiTokens) throw new Error('rules are missing')
  await database.pool.query('alter table private.api_tokens rename to elsewhere')
  const cleaner = open([apiTokens, sessions])
  await cleaner.clean()
  await cleaner.clean()
  await database.pool.query('alter table private.elsewhere rename to api_tokens')
  expect(errors.splice(0)).toHaveLength(1)
  expect(await namesIn('sessions', 'token_hash')).toEqual([])
})

const quoted = (text: string) => `'${text}'`

test.each(
  [
    ...authRetentionRules({ sessionDays: 30, apiTokenDays: 90 }),
    ...ledgerRetentionRules({ failedTransactionDays: 90 }),
  ].map((rule) => [rule.name, rule] as const),
)('a batch of %s is found by indexes, however many rows are not due', async (_name, rule) => {
  await fillSessions(5_000, '1 day')
  await database.pool.query(`
      insert into private.api_tokens (id, token_hash, name, role, expires_at)
      select gen_random_uuid(), decode(lpad(to_hex(number), 8, '0'), 'hex'), 'token', 'OPERATOR', now() + interval '1 day'
      from generate_series(1, 5000) number;
      insert into private.sign_in_limits
      select 'key' || number, 1, extract(epoch from now()) * 1000 from generate_series(1, 5000) number;
      insert into private.failed_transactions (id, idempotency_key, destination_account_id, amount, code, message, attempts)
      select overlay(gen_random_uuid()::text placing left(${quoted(makeRowId())}, 13) from 1)::uuid, gen_random_uuid(), gen_random_uuid(), 1, '', '', 1
      from generate_series(1, 5000);
      analyze private.sessions, private.api_tokens, private.sign_in_limits, private.failed_transactions`)
  const { rows } = await databaseOf(database.pool).execute(sql`explain ${deletionOf(rule)}`)
  const plan = JSON.stringify(rows)
  expect(plan).toMatch(
    /Index Scan using (sessions_ended|api_tokens_ended|sign_in_limits_expire|failed_transactions_pkey)/,
  )
  expect(plan).not.toMatch(/Seq Scan/)
})
