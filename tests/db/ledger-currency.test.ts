import { randomUUID } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { toAccountId } from '../../src/db/ids.ts'
import { migrateDatabase } from '../../src/db/migrate.ts'
import { UnsuitableDatabaseError } from '../../src/db/unsuitable-database-error.ts'
import { expectRefusal, runCommandHere } from '../support/command-line.ts'
import { databaseForTest, openEmptyDatabase, queryOnce, type TestDatabase } from '../support/database.ts'
import { countDeadlocks, deposit, holdSession, lockAccounts, openBeside, untilBlocked } from '../support/faults.ts'
import { databaseBeforeForTest, insertUsersBefore } from '../support/version-before.ts'

/* LEDGER_CURRENCY: what accounts are in that are made without saying which currency. */

const UNKNOWN =
  'LEDGER_CURRENCY is not a currency of this ledger. Set it to a code of ISO 4217, such as EUR, or to one that an operator has added.'
const FIXED =
  'LEDGER_CURRENCY is not the currency of this ledger, which is USD and cannot change any more, since there are transactions. Set it to USD or remove it.'

const setCurrency = ({ url }: Pick<TestDatabase, 'url'>, ledgerCurrency: string) =>
  migrateDatabase(url, { ledgerCurrency })

const currencyOf = async (url: string) => (await queryOnce(url, 'select currency from private.ledger'))[0]?.currency

const INSERT_USER = `insert into users (id, email) values ($1, $1::uuid || '@example.com')`

async function makeUser({ pool }: TestDatabase): Promise<string> {
  const id = randomUUID()
  await pool.query(INSERT_USER, [id])
  return id
}

async function makeAccount({ pool }: TestDatabase, ownerId: string | null, currency: string): Promise<string> {
  const id = randomUUID()
  await pool.query('insert into accounts (id, owner_id, currency) values ($1, $2, $3)', [id, ownerId, currency])
  return id
}

async function accountCurrencies({ pool }: TestDatabase, ids: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query(
    'select currency from unnest($1::uuid[]) with ordinality as asked (id, place) join accounts using (id) order by place',
    [ids],
  )
  return rows.map(({ currency }) => currency)
}

const INSERT_DEPOSIT = `
  insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
  values (gen_random_uuid(), gen_random_uuid(), $1, 1, 100, clock_timestamp())`

test('the first start records USD, or the currency that is set', async () => {
  const [usd, euro] = [await openEmptyDatabase(), await openEmptyDatabase()]
  await migrateDatabase(usd.url)
  await setCurrency(euro, 'EUR')
  expect([await currencyOf(usd.url), await currencyOf(euro.url)]).toEqual(['USD', 'EUR'])
  // A later start that says nothing leaves it.
  await migrateDatabase(euro.url)
  expect(await currencyOf(euro.url)).toBe('EUR')
  await queryOnce(euro.url, `insert into users (id, email) values (gen_random_uuid(), 'ada@example.com')`)
  expect(await queryOnce(euro.url, 'select currency from accounts')).toEqual([{ currency: 'EUR' }])
})

test('until there is a transaction the currency may change, and main accounts with it', async () => {
  const database = await databaseForTest()
  const users = [await makeUser(database), await makeUser(database)] as const
  await database.pool.query(`delete from accounts where id = $1`, [users[1]])
  await database.pool.query('insert into accounts (id, owner_id, currency) values ($1, $1, $2)', [users[1], 'JPY'])
  const others = [await makeAccount(database, users[0], 'USD'), await makeAccount(database, null, 'USD')]
  await setCurrency(database, 'EUR')
  const later = await makeUser(database)
  expect(await currencyOf(database.url)).toBe('EUR')
  expect(await accountCurrencies(database, [...users, ...others, later])).toEqual(['EUR', 'JPY', 'USD', 'USD', 'EUR'])
})

test('with a transaction the currency is fixed, and only its own name is taken', async () => {
  const database = await databaseForTest()
  const id = await makeUser(database)
  await database.pool.query(INSERT_DEPOSIT, [id])
  await expect(setCurrency(database, 'EUR')).rejects.toThrow(new UnsuitableDatabaseError(FIXED))
  expect([await currencyOf(database.url), await accountCurrencies(database, [id])]).toEqual(['USD', ['USD']])
  await setCurrency(database, 'USD')
  for (const command of ['serve', 'migrate', 'verify']) {
    expectRefusal(
      await runCommandHere([command], { DATABASE_URL: database.url, PORT: '0', LEDGER_CURRENCY: 'EUR' }),
      FIXED,
    )
  }
})

test('a ledger of the version before keeps its amounts, in the currency that is set', async () => {
  const database = await databaseBeforeForTest()
  const [user] = await insertUsersBefore(database.pool, 1)
  await database.pool.query(INSERT_DEPOSIT.replace('destination_account_id', 'destination_user_id'), [user])
  await expect(setCurrency(database, 'ROSEBUD')).rejects.toThrow(new UnsuitableDatabaseError(UNKNOWN))
  await setCurrency(database, 'JPY')
  expect(await queryOnce(database.url, 'select currency, get_current_balance(id) as balance from accounts')).toEqual([
    { currency: 'JPY', balance: '100' },
  ])
  await setCurrency(database, 'JPY')
  await expect(setCurrency(database, 'USD')).rejects.toThrow(FIXED.replaceAll('USD', 'JPY'))
})

test('a currency that the ledger does not have is refused until an operator adds it', async () => {
  const empty = await openEmptyDatabase()
  await expect(setCurrency(empty, 'ROSEBUD')).rejects.toThrow(new UnsuitableDatabaseError(UNKNOWN))
  expect(await queryOnce(empty.url, `select from pg_namespace where nspname = 'private'`)).toEqual([])
  const database = await databaseForTest()
  expectRefusal(await runCommandHere(['migrate'], { DATABASE_URL: database.url, LEDGER_CURRENCY: 'ROSEBUD' }), UNKNOWN)
  await database.pool.query(`insert into currencies (code, scale) values ('ROSEBUD', 0)`)
  await setCurrency(database, 'ROSEBUD')
  expect(await currencyOf(database.url)).toBe('ROSEBUD')
})

test('a posting that is under way is waited for, and fixes the currency', async () => {
  const database = await databaseForTest()
  const id = await makeUser(database)
  const posting = await holdSession(database, INSERT_DEPOSIT, [id])
  const refused = expect(setCurrency(database, 'EUR')).rejects.toThrow(FIXED)
  await untilBlocked(database, 1, 'lock table%')
  await posting.commit()
  await refused
  expect([await currencyOf(database.url), await accountCurrencies(database, [id])]).toEqual(['USD', ['USD']])
})

test('a posting that waits for its account and a change do not wait for each other', async () => {
  const database = await databaseForTest()
  const ledger = await openBeside(database)
  const account = toAccountId(await makeUser(database))
  const holder = await lockAccounts(database, account)
  const posting = ledger.posting.post({ ...deposit(account, 1n), currency: 'USD' })
  // It is in a queue for the account, where it waits for as long as it may.
  await vi.waitFor(() => expect(ledger.posting.counts.lockWaits).toBe(1))
  await untilBlocked(database)
  const refused = expect(setCurrency(database, 'EUR')).rejects.toThrow(FIXED)
  await untilBlocked(database, 2)
  await holder.commit()
  expect(await posting).toHaveProperty('posted')
  await refused
  await ledger.close()
  expect(await countDeadlocks(database)).toBe(0)
})

test('a user who is made beside a change has a main account in the new currency', async () => {
  const database = await databaseForTest()
  const [before, beside] = [randomUUID(), randomUUID()]
  const made = await holdSession(database, INSERT_USER, [before])
  const changed = setCurrency(database, 'EUR')
  await untilBlocked(database, 1, 'lock table%')
  // Waits behind the change, which waits for the session above.
  const waiting = database.pool.query(INSERT_USER, [beside])
  await untilBlocked(database, 2)
  await made.commit()
  await Promise.all([changed, waiting])
  expect(await accountCurrencies(database, [before, beside])).toEqual(['EUR', 'EUR'])
})

test('servers that start at once with one currency agree', async () => {
  const empty = await openEmptyDatabase()
  await Promise.all(Array.from({ length: 8 }, () => setCurrency(empty, 'EUR')))
  expect(await currencyOf(empty.url)).toBe('EUR')
  const database = await databaseForTest()
  const ids = await Promise.all(Array.from({ length: 20 }, () => makeUser(database)))
  await Promise.all(Array.from({ length: 8 }, () => setCurrency(database, 'EUR')))
  expect(new Set(await accountCurrencies(database, ids))).toEqual(new Set(['EUR']))
})

test('the currencies have the digits of ISO 4217, also where ICU says otherwise', async () => {
  const { pool } = await databaseForTest()
  const { rows } = await pool.query<{ code: string; scale: number }>('select code, scale from currencies')
  const scales = new Map(rows.map(({ code, scale }) => [code, scale]))
  const having = (scale: number) => [...scales.keys()].filter((code) => scales.get(code) === scale).toSorted()
  expect(having(0).join(' ')).toBe('BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF')
  expect(having(3).join(' ')).toBe('BHD IQD JOD KWD LYD OMR TND')
  expect(having(4).join(' ')).toBe('CLF UYW')
  expect(having(2)).toHaveLength(scales.size - 17 - 7 - 2)
  for (const code of ['HUF', 'IDR', 'COP', 'PKR', 'RSD', 'MRU', 'MGA', 'SLE', 'VED', 'XCG', 'ZWG'])
    expect([code, scales.get(code)]).toEqual([code, 2])
  // Metals, baskets and codes for tests have no minor unit.
  for (const code of ['XAU', 'XDR', 'XTS', 'XXX']) expect([code, scales.has(code)]).toEqual([code, false])
})
