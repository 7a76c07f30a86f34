import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { vi } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { CONNECTIONS_DEFAULT, shareConnections } from '../../src/db/connection-shares.ts'
import type { AccountId } from '../../src/db/ids.ts'
import type { Instant } from '../../src/db/instant.ts'
import { type Ledger, type LedgerOptions, openLedger } from '../../src/ledger/ledger.ts'
import type { Outcome, PostingRequest } from '../../src/ledger/model/posting.ts'
import { UnavailableError } from '../../src/ledger/model/unavailable.ts'
import type { TestDatabase } from './database.ts'

/** Another server process on the same database: a ledger with pools and lanes of its own. Its caller closes it. */
export function openBeside(test: TestDatabase, options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  return openLedger({
    url: test.url,
    directUrl: test.url,
    connections: shareConnections(CONNECTIONS_DEFAULT),
    preparedStatements: true,
    operationDeadlineMs: 60_000,
    clockAheadMaxMs: 5_000,
    batchSizeMax: 256,
    queueLengthMax: 10_000,
    batchLockWaitMs: 100,
    filterScanMax: 10_000,
    failedTransactionsPerHourMax: 1_000_000,
    onError: () => {},
    ...options,
  })
}

export function deposit(destinationAccountId: AccountId, amount: bigint, idempotencyKey: string = randomUUID()) {
  return {
    idempotencyKey,
    sourceAccountId: null,
    destinationAccountId,
    amount: toAmount(amount),
  } satisfies PostingRequest
}

export function transfer(
  source: AccountId,
  destination: AccountId,
  amount: bigint,
  idempotencyKey: string = randomUUID(),
) {
  return {
    idempotencyKey,
    sourceAccountId: source,
    destinationAccountId: destination,
    amount: toAmount(amount),
  } satisfies PostingRequest
}

/** As a client does: sends it again with the same key until there is a definite answer. */
export async function postUntilDefinite(through: Pick<Ledger, 'posting'>, request: PostingRequest): Promise<Outcome> {
  for (;;) {
    try {
      return await through.posting.post(request)
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error
    }
  }
}

/** A session of the tests' own, in an open database transaction that has done `statement`. */
export interface HeldSession {
  client: pg.Client
  /** Commits, which frees what it held. */
  commit(): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}

export async function holdSession(test: TestDatabase, statement: string, values: unknown[] = []): Promise<HeldSession> {
  const client = new pg.Client({ connectionString: test.url, application_name: 'holder' })
  client.on('error', () => {})
  await client.connect()
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= client.end()
    return closed
  }
  try {
    await client.query('begin isolation level read committed read write')
    await client.query(statement, values)
  } catch (error) {
    await close()
    throw error
  }
  return {
    client,
    async commit() {
      await client.query('commit')
      await close()
    },
    close,
  }
}

/** Holds the accounts as a poster does. */
export const lockAccounts = (test: TestDatabase, ...ids: string[]) =>
  holdSession(test, 'select from accounts where id = any($1::uuid[]) order by id for no key update', [ids])

/** Waits until so many backends of this database wait for a lock in a statement like this one. */
export async function untilBlocked(test: TestDatabase, count = 1, statementLike = '%'): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await test.pool.query(
        `select count(*)::int as blocked from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and query like $1`,
        [statementLike],
      )
      if (rows[0].blocked < count) throw new Error(`${rows[0].blocked} blocked, not ${count}`)
    },
    { interval: 5 },
  )
}

/** PostgreSQL's clock, to the microsecond. */
export async function databaseClock(test: TestDatabase, offset = '0'): Promise<Instant> {
  const { rows } = await test.pool.query(
    `select to_char((clock_timestamp() + $1::interval) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as clock`,
    [offset],
  )
  return rows[0].clock
}

/** The lock that inserts wait for, once `stallInserts` has installed the trigger: whoever holds it stops time for them. */
const STALL_LOCK = 4711

/** From now on an insert into a table waits while `stall` is held: one into the ledger after its clock was read, before its commit. */
export async function installStall(test: TestDatabase, table = 'transactions'): Promise<void> {
  await test.pool.query(`
    create function stall_insert() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock_shared(${STALL_LOCK}); return null; end $$;
    create trigger stall before insert on ${table} for each statement execute function stall_insert()`)
}

export const stall = (test: TestDatabase) => holdSession(test, `select pg_advisory_xact_lock(${STALL_LOCK})`)

/** The first so many inserts into the ledger fail with this SQLSTATE. `attempts` tells how many were made. */
export async function failInserts(test: TestDatabase, sqlstate: string, times: number) {
  await test.pool.query(`
    create sequence insert_attempts;
    create function fail_insert() returns trigger language plpgsql as $$
      begin
        if nextval('insert_attempts') <= ${times} then
          raise exception 'injected' using errcode = '${sqlstate}';
        end if;
        return null;
      end $$;
    create trigger fail before insert on transactions for each statement execute function fail_insert()`)
  return {
    async attempts(): Promise<number> {
      const { rows } = await test.pool.query(
        'select case when is_called then last_value else 0 end::int as attempts from insert_attempts',
      )
      return rows[0].attempts
    },
    async remove(): Promise<void> {
      await test.pool.query(
        'drop trigger fail on transactions; drop function fail_insert; drop sequence insert_attempts',
      )
    },
  }
}

/**
 * From now on, every use of a table or view fails with an error that no retry fixes, as after a bug in a statement. Returns
 * what ends that.
 */
export async function breakReads(test: TestDatabase, schema: string, name: string): Promise<() => Promise<void>> {
  await test.pool.query(`
    alter table ${schema}.${name} rename to whole_${name};
    create view ${schema}.${name} as select * from ${schema}.whole_${name} where 1 / (select 0) = 1 offset 0`)
  return async () => {
    await test.pool.query(`drop view ${schema}.${name}; alter table ${schema}.whole_${name} rename to ${name}`)
  }
}

/** The same for the e-mail addresses of users: their other columns can be read. */
export async function breakEmails(test: TestDatabase): Promise<() => Promise<void>> {
  await test.pool.query(`
    alter table users rename to whole_users;
    create view users as
      select id, (1 / (select 0))::text as email, password_hash, role, created_at, updated_at from whole_users`)
  return async () => {
    await test.pool.query('drop view users; alter table whole_users rename to users')
  }
}

/** A row that no engine wrote. `created_at` is an SQL expression; the row takes part in the session's transaction. */
export async function insertByHand(
  client: Pick<pg.Client, 'query'>,
  row: PostingRequest & { sourceSequence?: number; destinationSequence: number; createdAt?: string },
): Promise<void> {
  await client.query(
    `insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at)
     values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, ${row.createdAt ?? 'clock_timestamp()'})`,
    [
      row.idempotencyKey,
      row.sourceAccountId,
      row.sourceSequence ?? null,
      row.destinationAccountId,
      row.destinationSequence,
      row.amount.toString(),
    ],
  )
}

/** Each account's entries by themselves, straight from the table: number, running balance, time. */
export async function readAccount(test: TestDatabase, accountId: string) {
  const { rows } = await test.pool.query(
    `select sequence::int, sum(change) over (order by sequence) as balance, id,
       to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at
     from (
       select destination_sequence as sequence, amount as change, created_at, id from transactions where destination_account_id = $1
       union all
       select source_sequence, -amount, created_at, id from transactions where source_account_id = $1
     ) entry order by sequence`,
    [accountId],
  )
  return rows.map((row) => ({
    sequence: row.sequence as number,
    balance: BigInt(row.balance),
    transactionId: row.id as string,
    createdAt: row.created_at as Instant,
  }))
}

/** Deadlocks PostgreSQL has counted in this database. Backends report at their end: let the ledgers be closed before. */
export async function countDeadlocks(test: TestDatabase): Promise<number> {
  return vi.waitFor(
    async () => {
      const { rows } = await test.pool.query(
        `select deadlocks::int, (select count(*)::int from pg_stat_activity where datname = current_database()
           and application_name like 'thesaurum%') as posters
         from pg_stat_database where datname = current_database()`,
      )
      if (rows[0].posters > 0) throw new Error('posters are still connected')
      return rows[0].deadlocks
    },
    { interval: 10 },
  )
}

/**
 * What a server of an older version meets after a migration: columns of money have other names. Returns what gives them
 * their names back.
 */
export async function renameColumns(test: TestDatabase): Promise<() => Promise<void>> {
  const renames = [
    ['transactions', 'amount'],
    ['private.entries', 'change'],
    ['private.balance_checkpoints', 'balance'],
  ]
  const newNameOf = (name: string) => `new_${name}`
  // One at a time: together they could deadlock with readers.
  for (const [table, name = ''] of renames)
    await test.pool.query(`alter table ${table} rename column ${name} to ${newNameOf(name)}`)
  return async () => {
    for (const [table, name = ''] of renames)
      await test.pool.query(`alter table ${table} rename column ${newNameOf(name)} to ${name}`)
  }
}
