import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { openPool } from '../../src/db/pool.ts'
import { inTransaction, OutcomeUnknownError } from '../../src/db/transaction.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, lockAccounts, postUntilDefinite, transfer, untilBlocked } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger
let account: AccountId

beforeEach(async () => {
  ledger = await openTestLedger()
  account = (await makeAccounts(ledger, 1))[0]
})

afterEach(async () => {
  await ledger.close()
})

const POLL = { interval: 10 }
const LIMITS = { lockTimeoutMs: 1_000, statementTimeoutMs: 1_000, idleTimeoutMs: 10_000 }
const openOwnPool = () =>
  openPool({
    url: ledger.test.url,
    name: 'pool under test',
    connectionsMax: 1,
    preparedStatements: true,
    connectTimeoutMs: 1_000,
    answerTimeoutMs: 5_000,
  })

const countRows = async () => (await ledger.test.pool.query('select from transactions')).rowCount as number

/** Waits until PostgreSQL has noticed that the pool under test has hung up. */
const untilGone = () =>
  vi.waitFor(async () => {
    const { rowCount } = await ledger.test.pool.query(
      `select from pg_stat_activity where datname = current_database() and application_name = 'pool under test'`,
    )
    expect(rowCount).toBe(0)
  }, POLL)

async function expectSound(): Promise<void> {
  for (let count = 0; count < 20; count++) {
    expect(await ledger.posting.post(deposit(account, 1n))).toMatchObject({ posted: { replayed: false } })
  }
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
}

describe('a backend terminated', () => {
  const terminate = async (condition: string) => {
    const { rowCount } = await ledger.test.pool.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where datname = current_database() and application_name like 'thesaurum%' and ${condition}`,
    )
    return rowCount as number
  }

  test('while idle: the next postings and reads are right', async () => {
    await Promise.all(Array.from({ length: 30 }, () => ledger.posting.post(deposit(account, 1n))))
    expect(await terminate(`state = 'idle'`)).toBeGreaterThan(1)
    await expectSound()
    expect(await ledger.balances.current([account])).toMatchObject([{ amount: 50n, sequence: 50 }])
  })

  test('while it waits for a lock: the posting is tried again', async () => {
    const [payer] = await makeAccounts(ledger, 1, 10n)
    const holder = await lockAccounts(ledger.test, payer)
    const posting = ledger.posting.post(transfer(payer, account, 10n))
    await untilBlocked(ledger.test)
    expect(await terminate(`wait_event_type = 'Lock'`)).toBe(1)
    await untilBlocked(ledger.test)
    await holder.commit()
    expect(await posting).toMatchObject({ posted: { replayed: false } })
    await expectSound()
  })

  test('while idle in its transaction: nothing of it is left', async () => {
    const pool = openOwnPool()
    try {
      const failure: Error = await inTransaction(pool, LIMITS, async (tx) => {
        const { rows } = await tx.execute<{ pid: number }>('select pg_backend_pid() as pid')
        await tx.execute(`insert into users (id, email) values (gen_random_uuid(), 'nobody@example.com')`)
        await ledger.test.pool.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
        await tx.execute('select 1')
      }).catch((error) => error)
      expect(failure).toBeInstanceOf(Error)
      expect(failure).not.toBeInstanceOf(OutcomeUnknownError)
      const { rowCount } = await ledger.test.pool.query(`select from users where email = 'nobody@example.com'`)
      expect([rowCount, pool.totalCount, pool.idleCount]).toEqual([0, 0, 0])
      expect(await inTransaction(pool, LIMITS, async () => 'right')).toBe('right')
    } finally {
      await pool.end()
    }
  })

  test('under load, again and again: nothing is lost, nothing is there twice', async () => {
    const [first, second] = await makeAccounts(ledger, 2, 100n)
    let terminated = 0
    const posters = Array.from({ length: 20 }, async (_, index) => {
      const [source, destination] = index % 2 ? [first, second] : [second, first]
      let posted = 0
      for (; terminated < 20; posted++) {
        const outcome = await postUntilDefinite(ledger, transfer(source, destination, 1n))
        expect(outcome).toMatchObject({ posted: { replayed: false } })
      }
      return posted
    })
    while (terminated < 20) terminated += await terminate('true')
    const posted = (await Promise.all(posters)).reduce((sum, count) => sum + count, 0)
    expect(await countRows()).toBe(posted + 2)
    await expectSound()
  })
})

test('work that fails of itself leaves no row and no lock, and its connection is not used again', async () => {
  const pool = openOwnPool()
  try {
    const failure = new Error('of itself')
    const failing = inTransaction(pool, LIMITS, async (tx) => {
      await tx.execute(`update users set email = 'changed@example.com' where id = '${account}'`)
      throw failure
    })
    await expect(failing).rejects.toBe(failure)
    expect([pool.totalCount, pool.idleCount]).toEqual([0, 0])
    await untilGone()
    const { rowCount } = await ledger.test.pool.query(
      `select from users where id = $1 and email <> 'changed@example.com' for update nowait`,
      [account],
    )
    expect(rowCount).toBe(1)
    expect(await inTransaction(pool, LIMITS, async () => 'right')).toBe('right')
  } finally {
    await pool.end()
  }
})

describe('a warning', () => {
  let pool: pg.Pool

  beforeEach(() => {
    pool = openOwnPool()
  })

  afterEach(() => pool.end())

  const warn = (when: string) =>
    ledger.test.pool.query(`
      create function warn() returns trigger language plpgsql as $$ begin raise warning 'beware'; return null; end $$;
      create constraint trigger warn after insert on transactions deferrable initially ${when} for each row execute function warn()`)
  const insert = () =>
    inTransaction(pool, LIMITS, (tx) =>
      tx.execute(`
        insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
        values (gen_random_uuid(), gen_random_uuid(), '${account}', 1, 5, now())`),
    )

  test('at COMMIT makes the outcome unknown: the posting is looked for by its key', async () => {
    await warn('deferred')
    await expect(insert()).rejects.toThrow(OutcomeUnknownError)
    expect(await ledger.posting.post(deposit(account, 7n))).toMatchObject({ posted: { replayed: false } })
    expect(await countRows()).toBe(2)
  })

  test('is heard even where the role is told nothing below an error', async () => {
    const name = new URL(ledger.test.url).pathname.slice(1)
    await ledger.test.pool.query(`alter database ${name} set client_min_messages = error`)
    await warn('deferred')
    await expect(insert()).rejects.toThrow(OutcomeUnknownError)
  })

  test('before COMMIT changes nothing', async () => {
    await warn('immediate')
    await insert()
    expect(await countRows()).toBe(1)
  })
})
