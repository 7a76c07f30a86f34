import { randomUUID } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { MIGRATIONS_FOLDER } from '../../src/db/migrations.ts'
import { sqlstateOf } from '../../src/db/sqlstate.ts'
import { openTestDatabase, type TestDatabase } from './database.ts'
import type { Row } from './random-ledger.ts'

/*
 * The version before accounts: a user was an account, and the row of the user its lock. Its database, and what its servers
 * sent to it.
 */

/** The last migration of that version. */
const LAST = '0010_entries-view'

/**
 * A database of that version.
 *
 * @param last the name of its last migration; an earlier one makes a database of an earlier version.
 */
export async function openDatabaseBefore(last = LAST): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-version-before-'))
  try {
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true })
    const path = join(folder, 'meta/_journal.json')
    const journal: { entries: { tag: string }[] } = JSON.parse(await readFile(path, 'utf8'))
    const end = journal.entries.findIndex(({ tag }) => tag === last) + 1
    await writeFile(path, JSON.stringify({ ...journal, entries: journal.entries.slice(0, end) }))
    const database = await openTestDatabase({ isEmpty: true })
    await migrate(drizzle(database.pool), { migrationsFolder: folder })
    return database
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The same for one test: it is dropped when the test ends. */
export async function databaseBeforeForTest(): Promise<TestDatabase> {
  const database = await openDatabaseBefore()
  onTestFinished(() => database.close())
  return database
}

/** Users of that version, from the oldest to the newest. */
export async function insertUsersBefore(pool: pg.Pool, count: number): Promise<AccountId[]> {
  const { rows } = await pool.query<{ id: AccountId }>(
    `insert into users (id, email, created_at)
     select gen_random_uuid(), 'user-' || number || '@example.com', '2023-12-31'::timestamptz + number * interval '1 second'
     from generate_series(1, $1::int) number returning id`,
    [count],
  )
  return rows.map(({ id }) => id)
}

const ROWS_AT_ONCE = 5_000

/** As `insertRows`, in database transactions of 5,000 rows. */
export async function insertRowsBefore(pool: pg.Pool, rows: readonly Row[]): Promise<void> {
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    const part = rows.slice(start, start + ROWS_AT_ONCE)
    await pool.query(
      `insert into transactions (id, idempotency_key, source_user_id, source_sequence, destination_user_id, destination_sequence, amount, created_at)
       select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::timestamptz[])`,
      [
        part.map((row) => row.id),
        part.map((row) => row.idempotencyKey),
        part.map((row) => row.source),
        part.map((row) => row.sourceSequence),
        part.map((row) => row.destination),
        part.map((row) => row.destinationSequence),
        part.map((row) => row.amount.toString()),
        part.map((row) => row.createdAt),
      ],
    )
  }
}

/** A checkpoint at every sixteenth entry. */
export async function insertCheckpointsBefore(pool: pg.Pool): Promise<void> {
  await pool.query(`
    insert into private.balance_checkpoints (user_id, sequence, balance, through, transaction_id)
    select account_id, sequence, balance, created_at, transaction_id from (
      select *, sum(change) over (partition by account_id order by sequence) as balance from private.entries
      where account_id is not null
    ) entry where sequence % 16 = 0`)
}

/** What a statement of that version met: the schema is another one now. */
const FENCED: ReadonlySet<string | undefined> = new Set(['42703', '42P01'])
/** A server of that version tried again after these. */
const AGAIN: ReadonlySet<string | undefined> = new Set(['55P03', '40P01'])

const HEADS = `
  select account.id, coalesce(checkpoint.balance, 0) + tail.total as balance, coalesce(tail.last, checkpoint.sequence, 0) as last,
    greatest(clock_timestamp(), coalesce(tail.last_at, checkpoint.through) + interval '1 microsecond')::text as next_at
  from unnest($1::uuid[]) as account (id)
  left join lateral (
    select sequence, balance, through from private.balance_checkpoints where user_id = account.id order by through desc limit 1
  ) checkpoint on true
  cross join lateral (
    select coalesce(sum(change), 0) as total, count(*) as length, max(sequence) as last, max(created_at) as last_at
    from private.entries where account_id = account.id and sequence > coalesce(checkpoint.sequence, 0)
  ) tail`

/** A session that posts as a server of that version did: the row of the user is the lock. */
export async function openPosterBefore(url: string) {
  const client = new pg.Client({ connectionString: url, application_name: 'thesaurum before' })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())

  async function transfer(source: AccountId, destination: AccountId, amount: bigint): Promise<boolean> {
    const ids = [source, destination].sort()
    await client.query("begin isolation level read committed read write; set local lock_timeout = '100ms'")
    await client.query('select id from users where id = any($1::uuid[]) order by id for no key update', [ids])
    const key = randomUUID()
    await client.query('select id, source_user_id, destination_user_id from transactions where idempotency_key = $1', [
      key,
    ])
    const { rows } = await client.query(HEADS, [ids])
    const headOf = (id: AccountId) => rows.find((row) => row.id === id)
    const hasFunds = BigInt(headOf(source).balance) >= amount
    if (hasFunds)
      await client.query(
        `insert into transactions (id, idempotency_key, source_user_id, source_sequence, destination_user_id, destination_sequence, amount, created_at)
         select gen_random_uuid(), $1, $2, $3, $4, $5, $6, max(next_at) from unnest($7::timestamptz[]) as next_at`,
        [
          key,
          source,
          Number(headOf(source).last) + 1,
          destination,
          Number(headOf(destination).last) + 1,
          amount.toString(),
          rows.map((row) => row.next_at),
        ],
      )
    await client.query('commit')
    return hasFunds
  }

  return {
    /** @returns whether it was posted; 'fenced' when the schema is no longer of that version. */
    async post(source: AccountId, destination: AccountId, amount: bigint): Promise<boolean | 'fenced'> {
      for (;;) {
        try {
          return await transfer(source, destination, amount)
        } catch (error) {
          await client.query('rollback')
          if (FENCED.has(sqlstateOf(error))) return 'fenced'
          if (!AGAIN.has(sqlstateOf(error))) throw error
        }
      }
    },
    /** Writes a checkpoint at the last entry of an account. @returns 'fenced' as above. */
    async checkpoint(accountId: AccountId): Promise<'fenced' | undefined> {
      try {
        await client.query(
          `insert into private.balance_checkpoints (user_id, sequence, balance, through, transaction_id)
           select account_id, max(sequence), sum(change), max(created_at), (array_agg(transaction_id order by sequence desc))[1]
           from private.entries where account_id = $1 group by account_id having count(*) > 0
           on conflict do nothing`,
          [accountId],
        )
      } catch (error) {
        if (FENCED.has(sqlstateOf(error))) return 'fenced'
        throw error
      }
      return undefined
    },
  }
}
