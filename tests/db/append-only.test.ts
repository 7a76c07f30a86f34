import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { transfer } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger
let payer: AccountId
let payee: AccountId
let superuser: pg.Client
let before: unknown[]

const readAll = async () => (await ledger.test.pool.query('select * from transactions order by id')).rows

beforeAll(async () => {
  ledger = await openTestLedger()
  ;[payer, payee] = await makeAccounts(ledger, 2, 100n)
  await ledger.posting.post(transfer(payer, payee, 30n))
  before = await readAll()
  superuser = await openSuperuser()
})

afterAll(async () => {
  expect(await readAll()).toEqual(before)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
  await superuser.end()
  await ledger.close()
})

/** The ledger's own role, or where that is none, the one of the embedded cluster, which has the same password. */
async function openSuperuser(): Promise<pg.Client> {
  const { rows } = await ledger.test.pool.query('select rolsuper from pg_roles where rolname = current_user')
  const url = new URL(ledger.test.url)
  if (!rows[0].rolsuper) url.username = 'postgres'
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  return client
}

const CHANGES = [
  'update transactions set amount = amount + 1',
  'update transactions set amount = amount + 1 where false',
  'delete from transactions',
  'delete from transactions where false',
  'truncate transactions cascade',
  'truncate users cascade',
  `insert into transactions select * from transactions limit 1
   on conflict (id) do update set amount = excluded.amount + 1`,
  `merge into transactions using (select 1) one on false when matched then delete when not matched then do nothing`,
  'with gone as (delete from transactions returning *) select count(*) from gone',
]
const refusal = { code: '55000', message: expect.stringMatching(/append-only/) }

test.each(CHANGES)('PostgreSQL refuses the owner: %s', async (change) => {
  const { rows } = await ledger.test.pool.query(
    `select tableowner = current_user as owns from pg_tables where tablename = 'transactions'`,
  )
  expect(rows).toEqual([{ owns: true }])
  await expect(ledger.test.pool.query(change)).rejects.toMatchObject(refusal)
})

test.each(CHANGES)('PostgreSQL refuses a superuser, and one who replicates: %s', async (change) => {
  for (const role of ['origin', 'local', 'replica']) {
    await superuser.query(`set session_replication_role = ${role}`)
    await expect(superuser.query(change)).rejects.toMatchObject(refusal)
  }
})

test('a user with entries cannot be removed', async () => {
  await expect(ledger.test.pool.query('delete from users where id = $1', [payer])).rejects.toMatchObject({
    code: '23503',
  })
})

describe('a row is refused', () => {
  const insert = (row: Partial<Record<string, string | number | null>>) => {
    const whole = {
      id: randomUUID(),
      idempotency_key: randomUUID(),
      source_account_id: payer,
      source_sequence: 3,
      destination_account_id: payee,
      destination_sequence: 3,
      amount: 1,
      created_at: '9999-01-01T00:00:00Z',
      ...row,
    }
    const columns = Object.keys(whole)
    const places = columns.map((_column, index) => `$${index + 1}`)
    // Rolled back, so that a row that gets in cannot help the next one out.
    return ledger.test.pool.connect().then(async (client) => {
      try {
        await client.query('begin')
        await client.query(`insert into transactions (${columns}) values (${places})`, Object.values(whole))
      } finally {
        await client.query('rollback')
        client.release()
      }
    })
  }

  test('only for what is wrong with it', async () => {
    await insert({})
    await insert({ source_account_id: null, source_sequence: null })
  })

  test.each([
    ['of nothing', () => ({ amount: 0 }), 'transactions_amount_positive'],
    ['of less than nothing', () => ({ amount: -1 }), 'transactions_amount_positive'],
    ['from an account to itself', () => ({ destination_account_id: payer }), 'transactions_sides_differ'],
    ['with a source and no number', () => ({ source_sequence: null }), 'transactions_source_whole'],
    ['with a number and no source', () => ({ source_account_id: null }), 'transactions_source_whole'],
    ['with number 0', () => ({ source_sequence: 0 }), 'transactions_sequences_positive'],
    ['with number -1', () => ({ destination_sequence: -1 }), 'transactions_sequences_positive'],
    ['from nobody', () => ({ source_account_id: randomUUID() }), 'transactions_source_account_id_accounts_id_fk'],
    [
      'to nobody',
      () => ({ destination_account_id: randomUUID() }),
      'transactions_destination_account_id_accounts_id_fk',
    ],
    ['with a number its source has used', () => ({ source_sequence: 2 }), 'transactions_source_entries'],
    ['with a number its destination has used', () => ({ destination_sequence: 1 }), 'transactions_destination_entries'],
    [
      'with a key that was used',
      () => ({ idempotency_key: (before[0] as { idempotency_key: string }).idempotency_key }),
      'transactions_idempotency_key_unique',
    ],
  ])('%s', async (_what, wrong, constraint) => {
    await expect(insert(wrong())).rejects.toMatchObject({ constraint })
  })
})
