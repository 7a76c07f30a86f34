import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type AccountId, toAccountId } from '../../src/db/ids.ts'
import type { Instant } from '../../src/db/instant.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import { UnavailableError } from '../../src/ledger/model/unavailable.ts'
import { ClockBehindError, LedgerFaultError } from '../../src/ledger/posting/batch.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import {
  databaseClock,
  deposit,
  failInserts,
  insertByHand,
  lockAccounts,
  openBeside,
  postUntilDefinite,
  readAccount,
  transfer,
  untilBlocked,
} from '../support/faults.ts'
import { makeAccounts, makeMixedAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { openTestServer } from '../support/server.ts'

let ledger: TestLedger

beforeEach(async () => {
  ledger = await openTestLedger()
})

afterEach(async () => {
  await ledger.close()
})

const balanceOf = async (id: AccountId) => (await ledger.balances.current([id]))[0]?.amount
const countRows = async () => (await ledger.test.pool.query('select from transactions')).rowCount

/** The payer has 100; while a transfer of 80 waits for its lock, whoever holds it pays 80 and commits. */
async function payUnderTheLock(through: Pick<TestLedger, 'posting'>): Promise<void> {
  const [payer, payee] = await makeAccounts(ledger, 2, 100n)
  const holder = await lockAccounts(ledger.test, payer, payee)
  const waiting = through.posting.post(transfer(payer, payee, 80n))
  await untilBlocked(ledger.test)
  await insertByHand(holder.client, { ...transfer(payer, payee, 80n), sourceSequence: 2, destinationSequence: 2 })
  await holder.commit()
  expect(await waiting).toEqual({
    refusal: { code: 'INSUFFICIENT_FUNDS', accountId: payer, available: 20n, required: 80n, shortfall: 60n },
  })
  expect(await balanceOf(payer)).toBe(20n)
  expect(await readAccount(ledger.test, payer)).toHaveLength(2)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
}

test('a debit committed while a transfer waited for the lock is counted against it', async () => {
  await payUnderTheLock(ledger)
})

test.each(['repeatable read', 'serializable'])('so it is where the default isolation is %s', async (isolation) => {
  const name = new URL(ledger.test.url).pathname.slice(1)
  await ledger.test.pool.query(`alter database ${name} set default_transaction_isolation = '${isolation}'`)
  await ledger.test.pool.query(`alter database ${name} set default_transaction_read_only = on`)
  const beside = await openBeside(ledger.test)
  try {
    await payUnderTheLock(beside)
  } finally {
    await beside.close()
  }
})

test('an account locked beyond the deadline is retryable, and nothing was posted', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2, 100n)
  const hasty = await openBeside(ledger.test, { operationDeadlineMs: 300 })
  const holder = await lockAccounts(ledger.test, payer)
  try {
    const answer = hasty.posting.post(transfer(payer, payee, 80n))
    await expect(answer).rejects.toThrow(UnavailableError)
    await expect(answer).rejects.toMatchObject({ code: 'RETRIES_EXHAUSTED', retryable: true })
  } finally {
    await holder.close()
    await hasty.close()
  }
  expect(await countRows()).toBe(2)
  expect(await balanceOf(payer)).toBe(100n)
})

test('a refused transfer leaves its key free, and is posted with it once there is money', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2)
  const request = transfer(payer, payee, 50n)
  expect(await ledger.posting.post(request)).toMatchObject({ refusal: { code: 'INSUFFICIENT_FUNDS', available: 0n } })
  await ledger.posting.post(deposit(payer, 50n))
  expect(await ledger.posting.post(request)).toMatchObject({ posted: { replayed: false } })
  expect(await ledger.posting.post(request)).toMatchObject({ posted: { replayed: true } })
  expect(await balanceOf(payer)).toBe(0n)
})

test('refusals are judged in order: key, same account, accounts exist, status, currency, funds, limit', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2)
  const [, euros] = await makeMixedAccounts(ledger)
  const stranger = toAccountId(randomUUID())
  await ledger.posting.post(deposit(payee, AMOUNT_MAX))
  const used = deposit(payer, 5n)
  await ledger.posting.post(used)
  const codeOf = async (request: Parameters<typeof ledger.posting.post>[0]) => {
    const outcome = await ledger.posting.post(request)
    return 'refusal' in outcome ? outcome.refusal.code : 'posted'
  }
  expect(await codeOf(transfer(stranger, stranger, 1n, used.idempotencyKey))).toBe('IDEMPOTENCY_CONFLICT')
  expect(await codeOf(transfer(stranger, stranger, 1n))).toBe('SAME_ACCOUNT')
  expect(await codeOf(transfer(stranger, payee, 1n))).toBe('ACCOUNT_NOT_FOUND')
  expect(await codeOf(transfer(payer, stranger, 9n))).toBe('ACCOUNT_NOT_FOUND')
  if (!euros) throw new Error('there is no account in EUR')
  await ledger.accounts.setStatus(euros.id, 'CLOSED')
  expect(await codeOf(transfer(stranger, euros.id, 9n))).toBe('ACCOUNT_NOT_FOUND')
  expect(await codeOf(transfer(payer, euros.id, 9n))).toBe('ACCOUNT_CLOSED')
  await ledger.accounts.setStatus(payer, 'FROZEN')
  expect(await codeOf(transfer(payer, euros.id, 9n))).toBe('ACCOUNT_FROZEN')
  expect(await codeOf({ ...transfer(payer, euros.id, 9n), ignoreFreeze: true })).toBe('ACCOUNT_CLOSED')
  await ledger.accounts.setStatus(euros.id, 'OPEN')
  expect(await codeOf({ ...transfer(payer, euros.id, 9n), ignoreFreeze: true })).toBe('CURRENCY_MISMATCH')
  await ledger.accounts.setStatus(payer, 'OPEN')
  expect(await codeOf(transfer(payer, euros.id, 9n))).toBe('CURRENCY_MISMATCH')
  expect(await codeOf({ ...transfer(payer, payee, 9n), currency: 'EUR' })).toBe('CURRENCY_MISMATCH')
  expect(await codeOf(transfer(payer, payee, 9n))).toBe('INSUFFICIENT_FUNDS')
  expect(await codeOf(transfer(payer, payee, 5n))).toBe('BALANCE_LIMIT')
  expect(await countRows()).toBe(2)
})

test('an account holds 2^63-1 cents and not one more, and its turnover may pass 64 bits', async () => {
  const [first, second, third] = await makeAccounts(ledger, 3)
  await ledger.posting.post(deposit(first, AMOUNT_MAX))
  expect(await balanceOf(first)).toBe(AMOUNT_MAX)
  expect(await ledger.posting.post(deposit(first, 1n))).toEqual({
    refusal: { code: 'BALANCE_LIMIT', accountId: first },
  })
  await ledger.posting.post(transfer(first, second, AMOUNT_MAX))
  await ledger.posting.post(deposit(first, AMOUNT_MAX))
  await ledger.posting.post(transfer(first, third, AMOUNT_MAX))
  await ledger.posting.post(deposit(first, 7n))
  const amounts = (await ledger.balances.current([first, second, third])).map(({ amount }) => amount)
  expect(amounts).toEqual([7n, AMOUNT_MAX, AMOUNT_MAX])
  const sum = 2n * AMOUNT_MAX + 7n
  const currency = { code: 'USD', scale: 2 }
  expect((await ledger.loadTotals()).currencies).toEqual([{ currency, deposited: sum, withdrawn: 0n, balances: sum }])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

describe('the clock', () => {
  test('may step back: entries still rise strictly', async () => {
    const [payer, payee] = await makeAccounts(ledger, 2)
    const ahead = await databaseClock(ledger.test, '3 seconds')
    const row = { ...deposit(payer, 100n), destinationSequence: 1, createdAt: `'${ahead}'` }
    await insertByHand(ledger.test.pool, row)
    for (let count = 1; count <= 3; count++) await ledger.posting.post(transfer(payer, payee, 1n))
    const microseconds = (at: string) => Number(at.slice(17, 26)) * 1e6
    const times = (await readAccount(ledger.test, payer)).map(({ createdAt }) => createdAt)
    const steps = times.slice(1).map((at, index) => Math.round(microseconds(at) - microseconds(times[index] as string)))
    expect(steps.map((step) => (step + 60e6) % 60e6)).toEqual([1, 1, 1])
    expect((await readAccount(ledger.test, payee)).map(({ createdAt }) => createdAt)).toEqual(times.slice(1))
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })

  test('too far behind an account: refused as retryable, and reported', async () => {
    const [payer, payee] = await makeAccounts(ledger, 2)
    const errors: unknown[] = []
    const onError = (error: unknown) => errors.push(error)
    const row = { ...deposit(payer, 100n), destinationSequence: 1, createdAt: `clock_timestamp() + interval '1 hour'` }
    await insertByHand(ledger.test.pool, row)
    // Given up after ten attempts: a deadline could be over before the first one.
    const beside = await openBeside(ledger.test, { onError })
    try {
      const code = 'RETRIES_EXHAUSTED'
      await expect(beside.posting.post(transfer(payer, payee, 1n))).rejects.toMatchObject({ code, retryable: true })
      await expect(beside.posting.post(deposit(payer, 1n))).rejects.toMatchObject({ code, retryable: true })
      expect(await postUntilDefinite(beside, deposit(payee, 1n))).toMatchObject({ posted: {} })
    } finally {
      await beside.close()
    }
    expect(errors).toEqual([expect.any(ClockBehindError), expect.any(ClockBehindError)])
    expect(await countRows()).toBe(2)
  })
})

test('nothing is written on top of an account whose numbers have a gap, and the fault is reported', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2, 100n)
  await insertByHand(ledger.test.pool, { ...deposit(payer, 5n), destinationSequence: 3 })
  await expect(ledger.posting.post(transfer(payer, payee, 1n))).rejects.toThrow(LedgerFaultError)
  await expect(ledger.posting.post(transfer(payee, payer, 1n))).rejects.toThrow(LedgerFaultError)
  expect(await ledger.posting.post(deposit(payee, 1n))).toMatchObject({ posted: { replayed: false } })
  expect(await countRows()).toBe(4)
  expect(ledger.errors).toEqual([expect.any(LedgerFaultError), expect.any(LedgerFaultError)])
  expect((await verifyLedger(ledger.test.pool)).map(({ code, accountId }) => [code, accountId])).toContainEqual([
    'SEQUENCE_BROKEN',
    payer,
  ])
})

describe('an insert that PostgreSQL refuses', () => {
  test.each(['40001', '40P01', '55P03'])('with %s is tried again', async (sqlstate) => {
    const [account] = await makeAccounts(ledger, 1)
    const injected = await failInserts(ledger.test, sqlstate, 3)
    expect(await ledger.posting.post(deposit(account, 9n))).toMatchObject({ posted: { replayed: false } })
    expect(await injected.attempts()).toBe(4)
    expect(ledger.errors).toEqual([])
    expect(await readAccount(ledger.test, account)).toMatchObject([{ sequence: 1, balance: 9n }])
  })

  test('again and again is given up as retryable', async () => {
    const [account] = await makeAccounts(ledger, 1)
    const injected = await failInserts(ledger.test, '40001', 1_000)
    const request = deposit(account, 9n)
    await expect(ledger.posting.post(request)).rejects.toMatchObject({ code: 'RETRIES_EXHAUSTED', retryable: true })
    expect(await injected.attempts()).toBe(10)
    await injected.remove()
    expect(await ledger.posting.post(request)).toMatchObject({ posted: { replayed: false } })
  })

  test('with 23514 is a fault: tried once, reported, and masked to a client', async () => {
    const [account] = await makeAccounts(ledger, 1)
    const server = await openTestServer({}, ledger.test)
    try {
      const injected = await failInserts(ledger.test, '23514', 1)
      const post = `mutation($input: DepositInput!) { deposit(input: $input) { __typename } }`
      const input = { idempotencyKey: randomUUID(), accountId: account, amount: '9' }
      const answer = await server.ask(post, { input })
      expect(answer.data).toEqual({ deposit: null })
      expect(answer.errors).toMatchObject([{ extensions: { code: 'INTERNAL_SERVER_ERROR' } }])
      expect(JSON.stringify(answer)).not.toMatch(/injected|23514|insert|transactions/)
      expect(await injected.attempts()).toBe(1)
      expect(server.logged.join()).toMatch(/injected/)
      expect(await countRows()).toBe(0)
      expect(await server.ask(post, { input })).toEqual({ data: { deposit: { __typename: 'DepositSuccess' } } })
    } finally {
      await server.close()
    }
  })
})

test.each([true, false])('prepared statements may be kept on the server or not: %s', async (preparedStatements) => {
  const beside = await openBeside(ledger.test, { preparedStatements })
  try {
    const [payer, payee] = await makeAccounts(beside, 2, 100n)
    await beside.posting.post(transfer(payer, payee, 30n))
    const balances = await beside.balances.current([payer, payee])
    expect(balances.map(({ amount }) => amount)).toEqual([70n, 130n])
    const asOf = balances[0]?.asOf as Instant
    const sent = vi.spyOn(pg.Client.prototype, 'query')
    expect(await beside.balances.asOf([{ accountId: payer, asOf }])).toMatchObject([{ amount: 70n, sequence: 2 }])
    const client = sent.mock.contexts[0] as pg.Client
    const { rowCount } = await client.query('select from pg_prepared_statements')
    expect((rowCount as number) > 0).toBe(preparedStatements)
  } finally {
    vi.restoreAllMocks()
    await beside.close()
  }
})
