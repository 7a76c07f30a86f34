import { randomUUID } from 'node:crypto'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import type { AccountId } from '../../src/db/ids.ts'
import { type Instant, instantOf, microsecondsOf, toInstant } from '../../src/db/instant.ts'
import { migrateDatabase } from '../../src/db/migrate.ts'
import { UnsuitableDatabaseError } from '../../src/db/unsuitable-database-error.ts'
import { ENTRY_CURSOR, FEED_CURSOR } from '../../src/ledger/model/cursor.ts'
import { queryOnce, type TestDatabase } from '../support/database.ts'
import { deposit, holdSession, openBeside, transfer } from '../support/faults.ts'
import { type PlainEntry, plainEntries, type Row, randomOf, randomRows } from '../support/random-ledger.ts'
import {
  databaseBeforeForTest,
  insertCheckpointsBefore,
  insertRowsBefore,
  insertUsersBefore,
  openPosterBefore,
} from '../support/version-before.ts'

/* The migration to accounts, on ledgers of the version before: every answer is the same after it. */

const USERS = 200
const TRANSACTIONS = 100_000
/** Of them, those that a client of the feed had not seen. */
const UNSEEN = 1_000
const EDGES = ['2024-01-01', '2024-02-01', '2024-03-01', '2024-07-01'].map((day) =>
  toInstant(`${day}T00:00:00.000000Z`),
)

async function openLedgerOn(database: TestDatabase) {
  const errors: unknown[] = []
  const ledger = await openBeside(database, { onError: (error) => errors.push(error) })
  onTestFinished(async () => {
    await ledger.close()
    expect(errors).toEqual([])
  })
  return ledger
}

const hex = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex')

/** A cursor as the version before wrote it: its kind, the era, the user's id, and the number of the entry. */
function cursorBefore(era: string, userId: string, sequence: number): string {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(BigInt(sequence))
  return Buffer.concat([Buffer.from([1]), hex(era), hex(userId), number]).toString('base64url')
}

const requestOf = ({ idempotencyKey, source, destination, amount }: Row) => ({
  idempotencyKey,
  sourceAccountId: source,
  destinationAccountId: destination,
  amount: toAmount(amount),
})

test('balances, histories, cursors and keys are the same after it', async () => {
  const database = await databaseBeforeForTest()
  const { pool, url } = database
  const users = await insertUsersBefore(pool, USERS)
  const rows = randomRows(14, { accounts: users, count: TRANSACTIONS, edges: EDGES, isOld: true })
  await insertRowsBefore(pool, rows.slice(0, -UNSEEN))
  const [{ era, seen }] = (
    await pool.query('select era, (select max(recorded_xid)::text from transactions) as seen from private.ledger')
  ).rows
  await insertRowsBefore(pool, rows.slice(-UNSEEN))
  await insertCheckpointsBefore(pool)
  const entriesOf = new Map(users.map((id) => [id, plainEntries(rows, id)]))
  const { oneOf, upTo } = randomOf(41)
  const anyUser = () => oneOf(users)

  await migrateDatabase(url)
  const ledger = await openLedgerOn(database)

  expect(ledger.era).toBe(era)
  const plain = (id: AccountId) => entriesOf.get(id) as PlainEntry[]
  const last = (id: AccountId) => plain(id).at(-1) as PlainEntry
  expect(await ledger.balances.current(users)).toEqual(
    users.map((accountId) => {
      const { balanceAfter, sequence, createdAt } = last(accountId)
      return { accountId, amount: balanceAfter, sequence, asOf: createdAt }
    }),
  )

  const moments = Array.from({ length: 2_000 }, () => {
    const accountId = anyUser()
    const { createdAt } = oneOf(plain(accountId))
    return { accountId, asOf: instantOf(microsecondsOf(createdAt) + upTo(3) - 1) }
  })
  const amounts = moments.map(
    ({ accountId, asOf }) => plain(accountId).findLast(({ createdAt }) => createdAt <= asOf)?.balanceAfter ?? 0n,
  )
  expect((await ledger.balances.asOf(moments)).map((each) => 'amount' in each && each.amount)).toEqual(amounts)
  const { rows: fromFunction } = await pool.query(
    `select get_balance_on_date(account_id => id, at => moment) as balance
     from unnest($1::uuid[], $2::timestamptz[]) with ordinality as asked (id, moment, place) order by place`,
    [moments.map(({ accountId }) => accountId), moments.map(({ asOf }) => asOf)],
  )
  expect(fromFunction.map(({ balance }) => BigInt(balance))).toEqual(amounts)

  for (const accountId of users.slice(0, 5)) {
    const [page] = await ledger.entries.load([{ accountId, low: 1, high: last(accountId).sequence }])
    expect(
      page?.map(({ sequence, change, balanceAfter, transaction: { id, createdAt } }) => [
        sequence,
        change,
        balanceAfter,
        id,
        createdAt,
      ]),
    ).toEqual(
      plain(accountId)
        .map(({ sequence, change, balanceAfter, createdAt, row: { id } }) => [
          sequence,
          change,
          balanceAfter,
          id,
          createdAt,
        ])
        .toReversed(),
    )
  }

  const [from, to] = [EDGES[0], EDGES[2]] as [Instant, Instant]
  const accountId = anyUser()
  const [buckets] = await ledger.histories.load([{ accountId, from, to, bucket: 'DAY', timeZone: 'UTC' }])
  if (!Array.isArray(buckets)) throw buckets
  expect(buckets).toHaveLength(60)
  for (const { start, end, closing, entryCount } of buckets) {
    const within = plain(accountId).filter(({ createdAt }) => createdAt >= start && createdAt < end)
    expect(entryCount).toBe(within.length)
    expect(closing).toBe(plain(accountId).findLast(({ createdAt }) => createdAt < end)?.balanceAfter ?? 0n)
  }

  // What clients keep: cursors of accounts and of the whole ledger, and keys.
  const position = { accountId, sequence: last(accountId).sequence - 3 }
  expect(ENTRY_CURSOR.encode(position, ledger.era)).toBe(cursorBefore(era, accountId, position.sequence))
  const entries = ledger.feed.subscribe(accountId, position.sequence, position.sequence)
  for (const { sequence, balanceAfter } of plain(accountId).slice(-3))
    expect((await entries.next()).value).toMatchObject({ sequence, balanceAfter })
  await entries.return?.()
  const snapshot = `${BigInt(seen) + 1n}:${BigInt(seen) + 1n}:`
  const cursor = FEED_CURSOR.encode({ previous: snapshot, snapshot, after: null }, era)
  const since = FEED_CURSOR.decode(cursor, ledger.era)
  if (typeof since !== 'object') throw new Error('the cursor of the feed cannot be read')
  const feed = await ledger.transactionFeed.subscribe(since)
  const delivered: string[] = []
  while (delivered.length < UNSEEN) delivered.push((await feed.next()).value?.transaction.id as string)
  await feed.return?.()
  const unseen = rows.slice(-UNSEEN).map(({ id }) => id as string)
  expect(delivered.toSorted()).toEqual(unseen.toSorted())

  const samples = Array.from({ length: 200 }, () => oneOf(rows))
  const repeat = async (row: Row) => {
    expect(await ledger.posting.post(requestOf(row))).toMatchObject({
      posted: { replayed: true, transaction: { id: row.id } },
    })
    expect(await ledger.posting.post(requestOf({ ...row, amount: row.amount + 1n }))).toMatchObject({
      refusal: { code: 'IDEMPOTENCY_CONFLICT', differingFields: ['amount'], transaction: { id: row.id } },
    })
  }
  await Promise.all(samples.map(repeat))

  expect(await ledger.posting.post(deposit(accountId, 7n))).toMatchObject({
    posted: { transaction: { destinationSequence: last(accountId).sequence + 1 } },
  })
  expect(await ledger.verify()).toEqual([])
  const { transactionCount, currencies } = await ledger.loadTotals()
  const deposited = rows.reduce((sum, { source, amount }) => (source === null ? sum + amount : sum), 7n)
  expect({ transactionCount, currencies }).toMatchObject({
    transactionCount: TRANSACTIONS + 1,
    currencies: [{ currency: { code: 'USD', scale: 2 }, deposited, balances: deposited }],
  })
})

test('every user has a main account, and rights and failed attempts are kept', async () => {
  const [reader, stranger] = ['reader', 'stranger'].map((name) => `${name}_${randomUUID().replaceAll('-', '')}`)
  // Once the database is dropped, and their rights with it.
  onTestFinished(async () => {
    await queryOnce(inject('postgres').serverUrl, `drop role ${reader}, ${stranger}`)
  })
  const database = await databaseBeforeForTest()
  const { pool, url } = database
  const users = await insertUsersBefore(pool, 20)
  await pool.query(`
    create role ${reader}; create role ${stranger};
    grant select, insert on users to ${reader}; grant select on private.entries to ${reader};
    revoke execute on function get_current_balance(uuid) from public;
    grant execute on function get_current_balance(uuid) to ${reader}`)
  await pool.query(
    `insert into private.failed_transactions (id, idempotency_key, source_user_id, destination_user_id, amount, code, message, attempts)
     select gen_random_uuid(), gen_random_uuid(), $1, $2, 5, code, 'There is no such user.', 1
     from unnest('{SAME_USER,USER_NOT_FOUND,INSUFFICIENT_FUNDS}'::text[]) code`,
    [users[0], users[1]],
  )
  await migrateDatabase(url)
  const ledger = await openLedgerOn(database)

  const { rows: created } = await pool.query('select id, created_at from users')
  const createdAt = new Map(created.map(({ id, created_at }) => [id, new Date(created_at).toISOString()]))
  for (const account of await ledger.accounts.find(users)) {
    expect(account).toMatchObject({
      ownerId: account?.id,
      currency: { code: 'USD', scale: 2 },
      name: null,
      status: 'OPEN',
    })
    expect(new Date(account?.createdAt as string).toISOString()).toBe(createdAt.get(account?.id))
  }
  expect((await ledger.loadTotals()).accountCount).toBe(20)

  const { rows: rights } = await pool.query(`
    select role, has_function_privilege(role, 'get_current_balance(uuid)', 'execute') as current,
      has_function_privilege(role, 'get_balance_on_date(uuid, timestamptz)', 'execute') as on_date,
      has_table_privilege(role, 'accounts', 'select') as reads, has_table_privilege(role, 'accounts', 'insert') as inserts,
      has_table_privilege(role, 'accounts', 'update') as updates, has_table_privilege(role, 'currencies', 'select') as currencies,
      has_table_privilege(role, 'private.entries', 'select') as entries
    from unnest(array['${reader}', '${stranger}']) as role`)
  const none = { reads: false, inserts: false, updates: false, currencies: false, entries: false }
  expect(rights).toEqual([
    {
      role: reader,
      current: true,
      on_date: true,
      ...none,
      reads: true,
      inserts: true,
      currencies: true,
      entries: true,
    },
    { role: stranger, current: false, on_date: true, ...none },
  ])

  // Whoever could make users still can, and needs no right to more.
  await pool.query(
    `begin; grant ${reader} to current_user; set local role ${reader}; insert into users (id, email) values (gen_random_uuid(), 'ada@example.com'); commit`,
  )
  expect(
    await queryOnce(url, `select currency from users join accounts using (id) where email = 'ada@example.com'`),
  ).toEqual([{ currency: 'USD' }])

  const { rows: attempts } = await ledger.failedTransactions.page({ first: 10 }, {}, null)
  expect(attempts.map(({ code, message }) => `${code}: ${message}`).toSorted()).toEqual([
    'ACCOUNT_NOT_FOUND: There is no such account. Check the id.',
    'INSUFFICIENT_FUNDS: There is no such user.',
    'SAME_ACCOUNT: Source and destination must be different accounts.',
  ])
})

test('servers of the version before post nothing wrong while it runs, and nothing after it', async () => {
  const database = await databaseBeforeForTest()
  const { pool, url } = database
  const users = await insertUsersBefore(pool, 6)
  const edges = [EDGES[0], EDGES[1]] as Instant[]
  const rows = randomRows(3, { accounts: users, count: 3_000, edges, isOld: true })
  await insertRowsBefore(pool, rows)
  const { oneOf, upTo } = randomOf(7)
  let posted = 0
  async function postUntilFenced(): Promise<void> {
    const poster = await openPosterBefore(url)
    for (;;) {
      const [source, destination] = [oneOf(users), oneOf(users)]
      if (source === destination) continue
      const outcome = await poster.post(source, destination, BigInt(1 + upTo(1_000)))
      if (outcome === 'fenced') return
      if (outcome) posted++
    }
  }
  async function checkpointUntilFenced(): Promise<void> {
    const poster = await openPosterBefore(url)
    while ((await poster.checkpoint(oneOf(users))) !== 'fenced') {}
  }
  // Reads go on while it waits for its locks, and wait for it afterwards; none fails.
  let isReading = true
  async function read(): Promise<void> {
    while (isReading)
      await pool.query(
        'select sequence, change from private.entries where account_id = $1 order by sequence desc limit 5',
        [oneOf(users)],
      )
  }
  const reading = Promise.all([read(), read()])
  const running = Promise.all([postUntilFenced(), postUntilFenced(), postUntilFenced(), checkpointUntilFenced()])
  await vi.waitFor(() => expect(posted).toBeGreaterThan(100))
  await migrateDatabase(url)
  await running
  isReading = false
  await reading

  const ledger = await openLedgerOn(database)
  expect(await ledger.verify()).toEqual([])
  const [payer, payee] = users as [AccountId, AccountId]
  expect(await ledger.posting.post(deposit(payer, 9n))).toHaveProperty('posted')
  expect(await ledger.posting.post(transfer(payer, payee, 9n))).toHaveProperty('posted')
  expect(await ledger.verify()).toEqual([])
  expect((await ledger.loadTotals()).transactionCount).toBe(rows.length + posted + 2)
})

test('it waits for tables that are in use, lets others through meanwhile, and gives up in a sentence', async () => {
  const database = await databaseBeforeForTest()
  const backup = await holdSession(database, 'lock table transactions in access share mode')
  const refused = migrateDatabase(database.url, { lockPatienceMs: 0 })
  await expect(refused).rejects.toThrow(UnsuitableDatabaseError)
  await expect(refused).rejects.toThrow(/a backup or a verification/)

  const migrating = migrateDatabase(database.url)
  const isWaiting = async () => {
    const rows = await queryOnce(
      database.url,
      `select from pg_stat_activity where datname = current_database() and application_name = 'thesaurum migrate'
       and coalesce(wait_event_type, '') = 'Lock'`,
    )
    expect(rows).toHaveLength(1)
  }
  await vi.waitFor(() => isWaiting())
  // It waits behind the migration, until that gives up.
  await queryOnce(database.url, 'select from transactions limit 1')
  await vi.waitFor(() => isWaiting())
  await backup.commit()
  await migrating
  expect(await queryOnce(database.url, 'select count(*)::int as count from accounts')).toEqual([{ count: 0 }])
})

test('it names the views that use a function which it replaces, and changes nothing', async () => {
  const { pool, url } = await databaseBeforeForTest()
  for (const view of ['wealth', 'riches'])
    await pool.query(`create view ${view} as select id, get_current_balance(id) as balance from users`)
  await expect(migrateDatabase(url)).rejects.toThrow(
    new UnsuitableDatabaseError(
      'The migrations replace what other objects of the database use: view wealth depends on function get_current_balance_of_user(uuid), view riches depends on function get_current_balance_of_user(uuid). Drop those objects, start again, and then create them again.',
    ),
  )
  await pool.query('select from wealth; select source_user_id from transactions; drop view wealth, riches')
  expect(await migrateDatabase(url)).toBeGreaterThan(0)
})
