import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { toInstant } from '../../src/db/instant.ts'
import { insertMissingCheckpoints } from '../../src/ledger/statements/insert-missing-checkpoints.ts'
import { CHECKPOINT_INTERVAL } from '../../src/ledger/upkeep/checkpoints.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { runCommandHere } from '../support/command-line.ts'
import { deposit, holdSession, openBeside, transfer, untilBlocked } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger

beforeEach(async () => {
  ledger = await openTestLedger()
})
afterEach(() => ledger.close())

const checkpointsOf = async (accountId: AccountId): Promise<number[]> => {
  const { rows } = await ledger.test.pool.query(
    'select sequence::int from private.balance_checkpoints where account_id = $1 order by sequence',
    [accountId],
  )
  return rows.map(({ sequence }) => sequence)
}

/** Everything a reader may ask of an account. */
async function answersOf(accountId: AccountId) {
  const { rows } = await ledger.test.pool.query(
    `select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from transactions
     where $1 in (source_account_id, destination_account_id) order by created_at`,
    [accountId],
  )
  return {
    current: await ledger.balances.current([accountId]),
    past: await ledger.balances.asOf(rows.map(({ at }) => ({ accountId, asOf: at }))),
    functions: (
      await ledger.test.pool.query(
        `select get_current_balance($1) as now, array(select get_balance_on_date($1, created_at) from transactions
         where $1 in (source_account_id, destination_account_id) order by created_at) as then`,
        [accountId],
      )
    ).rows,
  }
}

/** Postings at once, and so the most entries of an account that a batch has. */
const BURST = 25

/**
 * Some hundred entries, debits among them, one after another or many at once.
 *
 * @param afterBurst called with how many there are.
 */
async function fillAccount(
  count: number,
  afterBurst: (account: AccountId, posted: number) => Promise<void> = async () => {},
): Promise<AccountId> {
  const [account, other] = await makeAccounts(ledger, 2, 10_000n)
  for (let posted = 0; posted < count; ) {
    const burst = Math.min(count - posted, posted % 3 ? 1 : BURST)
    await Promise.all(
      Array.from({ length: burst }, (_, index) =>
        ledger.posting.post(index % 2 ? transfer(other, account, 2n) : transfer(account, other, 3n)),
      ),
    )
    posted += burst
    await afterBurst(account, posted)
  }
  return account
}

test('are written after posting, so that no tail grows past the interval by more than a burst', async () => {
  const account = await fillAccount(500, async (account, posted) => {
    // The deposit with which the account began is an entry too.
    const tailOf = async () => posted + 1 - ((await checkpointsOf(account)).at(-1) ?? 0)
    await vi.waitFor(async () => expect(await tailOf()).toBeLessThan(CHECKPOINT_INTERVAL), { interval: 5 })
  })
  const sequences = [0, ...(await checkpointsOf(account))]
  const steps = sequences.slice(1).map((sequence, index) => sequence - (sequences[index] as number))
  expect(Math.max(...steps)).toBeLessThan(CHECKPOINT_INTERVAL + BURST)
  expect(steps.length).toBeLessThan((2 * 501) / CHECKPOINT_INTERVAL)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('are written for what was posted while another one was being written', async () => {
  const [account] = await makeAccounts(ledger, 1)
  const post = async (count: number) => {
    for (let posted = 0; posted < count; posted++) await ledger.posting.post(deposit(account, 1n))
  }
  // Checkpoints can be read, and none can be written.
  const holder = await holdSession(ledger.test, 'lock table private.balance_checkpoints in share mode')
  await post(CHECKPOINT_INTERVAL)
  await untilBlocked(ledger.test)
  await post(CHECKPOINT_INTERVAL)
  await holder.commit()
  await vi.waitFor(async () =>
    expect(await checkpointsOf(account)).toEqual([CHECKPOINT_INTERVAL, 2 * CHECKPOINT_INTERVAL]),
  )
})

test('may be deleted at any moment, without an answer that changes, and the reads that miss them have them back', async () => {
  const account = await fillAccount(300)
  const before = await answersOf(account)
  expect((await checkpointsOf(account)).length).toBeGreaterThan(1)
  await ledger.test.pool.query('delete from private.balance_checkpoints')
  expect(await answersOf(account)).toEqual(before)
  await ledger.posting.post(deposit(account, 1n))
  expect((await ledger.balances.current([account]))[0]).toMatchObject({
    amount: (before.current[0]?.amount as bigint) + 1n,
    sequence: 302,
  })
  await vi.waitFor(async () => {
    const sequences = [0, ...(await checkpointsOf(account)), 302]
    const steps = sequences.slice(1).map((sequence, index) => sequence - (sequences[index] as number))
    expect(Math.max(...steps)).toBeLessThanOrEqual(CHECKPOINT_INTERVAL)
  })
  expect(await answersOf(account)).toMatchObject({ past: [...before.past, { sequence: 302 }] })
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

describe('that are gone are written again, whoever misses them,', () => {
  const without = async (miss: (account: AccountId) => Promise<unknown>) => {
    const account = await fillAccount(3_000)
    await ledger.test.pool.query('delete from private.balance_checkpoints')
    await miss(account)
    await vi.waitFor(async () => {
      const sequences = await checkpointsOf(account)
      expect(sequences.length).toBeGreaterThanOrEqual(Math.floor(2_000 / CHECKPOINT_INTERVAL))
    })
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  }
  const onlyAtTheEnd = async (account: AccountId) => {
    const head = (await ledger.balances.current([account]))[0]?.sequence as number
    await vi.waitFor(async () => expect((await checkpointsOf(account)).length).toBeGreaterThan(10))
    await ledger.test.pool.query('delete from private.balance_checkpoints where sequence < $1', [head - 50])
  }

  test('a posting', () => without((account) => ledger.posting.post(deposit(account, 1n))))

  test('a page in the middle', () =>
    without(async (account) => {
      await onlyAtTheEnd(account)
      await ledger.entries.load([{ accountId: account, low: 2_500, high: 2_510 }])
    }))

  test('a page under a filter', () =>
    without(async (account) => {
      await onlyAtTheEnd(account)
      const list = { accountId: account, low: 1, high: 3_001, filter: { direction: 'CREDIT' as const } }
      const page = { first: 5, after: 2_900 }
      await ledger.entries.page([{ list, page }])
    }))

  test('a history of long ago', () =>
    without(async (account) => {
      const history = { accountId: account, bucket: 'MONTH' as const, timeZone: 'UTC' }
      const [from, to] = [toInstant('2001-01-01T00:00:00.000000Z'), toInstant('2001-02-01T00:00:00.000000Z')]
      await ledger.histories.load([{ ...history, from, to }])
    }))

  test('and a stranger who holds one of them locked keeps no server from closing', async () => {
    const account = await fillAccount(200)
    await ledger.test.pool.query('delete from private.balance_checkpoints')
    const { rows } = await ledger.test.pool.query(
      'select id, created_at from transactions where destination_account_id = $1 and destination_sequence = 1',
      [account],
    )
    const stranger = await holdSession(
      ledger.test,
      'insert into private.balance_checkpoints (account_id, sequence, balance, through, transaction_id) values ($1, 16, 1, $2, $3)',
      [account, rows[0].created_at, rows[0].id],
    )
    const beside = await openBeside(ledger.test)
    await beside.balances.current([account])
    await untilBlocked(ledger.test, 1, 'insert into "private"."balance_checkpoints"%')
    // The lock is given up, while the stranger still has it.
    await beside.close()
    await stranger.close()
  })
})

test('are rebuilt where they are missing: all of them, or a stretch', async () => {
  const account = await fillAccount(500)
  const before = await answersOf(account)
  await ledger.test.pool.query('delete from private.balance_checkpoints')
  expect(await ledger.rebuildCheckpoints()).toBe(2)
  const rebuilt = await checkpointsOf(account)
  expect(rebuilt).toEqual([
    ...Array.from({ length: Math.floor(501 / CHECKPOINT_INTERVAL) }, (_, index) => (index + 1) * CHECKPOINT_INTERVAL),
    501,
  ])
  expect(await answersOf(account)).toEqual(before)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
  expect(await ledger.rebuildCheckpoints()).toBe(0)
  await ledger.test.pool.query(
    'delete from private.balance_checkpoints where account_id = $1 and sequence between 100 and 400',
    [account],
  )
  expect(await ledger.rebuildCheckpoints()).toBe(1)
  expect(await checkpointsOf(account)).toEqual(rebuilt)
})

test('are rebuilt by the command', async () => {
  const account = await fillAccount(100)
  await ledger.test.pool.query('delete from private.balance_checkpoints')
  for (const said of ['Rebuilt the missing checkpoints in 2 places.', 'No checkpoint is missing.']) {
    const ending = await runCommandHere(['checkpoints'], { DATABASE_URL: ledger.test.url })
    expect(ending).toEqual({ code: 0, stdout: `${said}\n`, stderr: '' })
  }
  expect((await checkpointsOf(account)).at(-1)).toBe(101)
})

test('are never counted on from one that is gone', async () => {
  const account = await fillAccount(100)
  await ledger.test.pool.query('delete from private.balance_checkpoints')
  // Deleted between the look at what is missing and the filling of it.
  await insertMissingCheckpoints(ledger.database).execute({
    accountId: account,
    low: 32,
    high: 101,
    interval: CHECKPOINT_INTERVAL,
  })
  expect(await checkpointsOf(account)).toEqual([])
  expect(await ledger.rebuildCheckpoints()).toBeGreaterThan(0)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('may be deleted all the time while they are rebuilt and postings go on', async () => {
  const accounts = await Promise.all([fillAccount(150), fillAccount(150)])
  let busy = true
  const posting = (async () => {
    while (busy) await Promise.all(accounts.map((account) => ledger.posting.post(deposit(account, 1n))))
  })()
  for (let count = 0; count < 30; count++) {
    await Promise.all([
      ledger.rebuildCheckpoints(),
      ledger.test.pool.query('delete from private.balance_checkpoints where sequence % 3 = $1', [count % 3]),
    ])
  }
  busy = false
  await posting
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('that cannot be written hold up no posting', async () => {
  await ledger.test.pool.query(
    'alter table private.balance_checkpoints add constraint none check (sequence < 0) not valid',
  )
  const account = await fillAccount(200)
  expect(await checkpointsOf(account)).toEqual([])
  expect((await ledger.balances.current([account]))[0]).toMatchObject({ sequence: 201 })
  expect(ledger.errors.length).toBeGreaterThan(0)
  ledger.errors.length = 0
})
