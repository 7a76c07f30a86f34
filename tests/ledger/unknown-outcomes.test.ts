import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { openPool } from '../../src/db/pool.ts'
import { inTransaction, OutcomeUnknownError } from '../../src/db/transaction.ts'
import type { Ledger, LedgerOptions } from '../../src/ledger/ledger.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, openBeside, postUntilDefinite, readAccount, transfer } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { type FaultyProxy, openProxy } from '../support/proxy.ts'

/** `ledger` is on PostgreSQL itself; what `openThrough` opens sees it through the proxy. */
let ledger: TestLedger
let proxy: FaultyProxy
let opened: Ledger[]
let account: AccountId

beforeEach(async () => {
  ledger = await openTestLedger()
  proxy = await openProxy(ledger.test.url)
  opened = []
  account = (await makeAccounts(ledger, 1))[0]
})

afterEach(async () => {
  proxy.refuse(false)
  await Promise.all(opened.map((through) => through.close()))
  await proxy.close()
  await ledger.close()
})

async function openThrough(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  const through = await openBeside(ledger.test, { url: proxy.url, ...options })
  opened.push(through)
  return through
}

const countRows = async () => (await ledger.test.pool.query('select from transactions')).rowCount as number

async function expectSound(through: Ledger): Promise<void> {
  for (let count = 0; count < 20; count++) {
    expect(await through.posting.post(deposit(account, 1n))).toMatchObject({ posted: { replayed: false } })
  }
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
}

describe('a connection cut', () => {
  test('at BEGIN, more often than the pool has clients: the next posting is right', async () => {
    const through = await openThrough()
    const cut = proxy.inject('before', /^begin/, 15)
    const outcomes = await Promise.all([1n, 2n, 3n].map((cents) => postUntilDefinite(through, deposit(account, cents))))
    while (cut.left() > 0) await postUntilDefinite(through, deposit(account, 1n))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ posted: { replayed: false } })
    await expectSound(through)
  })

  test('before COMMIT arrived: posted by a second attempt, and said to be new', async () => {
    const through = await openThrough()
    const cut = proxy.inject('before', /^commit/, 1)
    expect(await through.posting.post(deposit(account, 7n))).toMatchObject({ posted: { replayed: false } })
    expect([cut.left(), await countRows()]).toEqual([0, 1])
    await expectSound(through)
  })

  test('after COMMIT arrived: found by its key, and said to be new', async () => {
    const through = await openThrough()
    const cut = proxy.inject('after', /^commit/, 1)
    const request = deposit(account, 7n)
    const outcome = (await through.posting.post(request)) as { posted: { transaction: { id: string } } }
    expect(outcome).toMatchObject({ posted: { replayed: false, transaction: { destinationSequence: 1 } } })
    expect(cut.left()).toBe(0)
    expect((await readAccount(ledger.test, account)).map(({ transactionId }) => transactionId)).toEqual([
      outcome.posted.transaction.id,
    ])
    expect(await through.posting.post(request)).toMatchObject({ posted: { replayed: true } })
    await expectSound(through)
  })

  test.each([
    ['after', true],
    ['before', false],
  ] as const)(
    '%s COMMIT arrived, and nobody to ask: the outcome is unknown until it is sent again',
    async (fault, isThere) => {
      const through = await openThrough({ operationDeadlineMs: 1_500 })
      const request = deposit(account, 7n)
      const cut = proxy.inject(fault, /^commit/, 1, { thenRefuse: true })
      const send = () => through.posting.post(request).catch((error) => error)
      let failure = await send()
      // On a busy machine the time may be over before it comes to COMMIT.
      while (cut.left() > 0) failure = await send()
      expect(failure).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true })
      proxy.refuse(false)
      expect(await countRows()).toBe(isThere ? 1 : 0)
      expect(await through.posting.post(request)).toMatchObject({ posted: { replayed: isThere } })
      expect(await countRows()).toBe(1)
      await expectSound(through)
    },
  )

  test('in the middle of everything, again and again: each posting is there once', async () => {
    const through = await openThrough()
    const [first, second] = await makeAccounts(through, 2, 100n)
    const requests = Array.from({ length: 200 }, (_, index) =>
      index % 2 ? transfer(first, second, 1n) : transfer(second, first, 1n),
    )
    let busy = true
    const posting = Promise.all(requests.map((request) => postUntilDefinite(through, request))).finally(() => {
      busy = false
    })
    const faults = [
      proxy.inject('after', /^commit/, 10),
      proxy.inject('before', /^commit/, 10),
      proxy.inject('before', /^begin/, 10),
    ]
    for (let cuts = 0; busy && cuts < 10; cuts++) {
      const before = await countRows()
      await vi.waitFor(async () => expect(!busy || (await countRows()) > before + 5).toBe(true), { interval: 5 })
      proxy.cutAll()
    }
    const outcomes = await posting
    expect(outcomes.filter((outcome) => !('posted' in outcome))).toEqual([])
    expect(faults[0]?.left()).toBeLessThan(10)
    expect(await countRows()).toBe(202)
    while (faults.some(({ left }) => left() > 0)) await postUntilDefinite(through, deposit(account, 1n))
    await expectSound(through)
  })

  test('at any step leaves no client behind in the pool, and no row', async () => {
    const options = { connectionsMax: 3, preparedStatements: true, connectTimeoutMs: 60_000, answerTimeoutMs: 60_000 }
    const pool = openPool({ url: proxy.url, name: 'pool under test', ...options })
    const limits = { lockTimeoutMs: 60_000, statementTimeoutMs: 60_000, idleTimeoutMs: 60_000 }
    const insert = `insert into users (id, email) values (gen_random_uuid(), gen_random_uuid() || '@example.com')`
    const run = () => inTransaction(pool, limits, (tx) => tx.execute(insert))
    const countUsers = async () => (await ledger.test.pool.query('select from users')).rowCount as number
    try {
      const before = await countUsers()
      for (const statement of [/^begin/, /^insert into users/]) {
        proxy.inject('before', statement, 7)
        for (let count = 0; count < 7; count++) {
          const failure: Error = await run().catch((error) => error)
          expect(failure).toBeInstanceOf(Error)
          expect(failure).not.toBeInstanceOf(OutcomeUnknownError)
        }
      }
      for (const fault of ['before', 'after'] as const) {
        proxy.inject(fault, /^commit/, 7)
        for (let count = 0; count < 7; count++) await expect(run()).rejects.toThrow(OutcomeUnknownError)
      }
      await vi.waitFor(async () => expect(await countUsers()).toBe(before + 7))
      expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([0, 0, 0])
      await Promise.all(Array.from({ length: 20 }, run))
      expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([3, 3, 0])
      expect(await countUsers()).toBe(before + 27)
    } finally {
      await pool.end()
    }
  })
})

test('an answer to COMMIT that never comes: given up after a time, and found by its key', async () => {
  const through = await openThrough({ operationDeadlineMs: 1_000 })
  const kept = proxy.inject('never', /^commit/, 1)
  const request = deposit(account, 7n)
  const send = () => through.posting.post(request).catch((error) => error)
  let failure = await send()
  while (kept.left() > 0) failure = await send()
  await proxy.keptBack()
  proxy.release()
  if (failure instanceof Error) expect(failure).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: true })
  else expect(failure).toMatchObject({ posted: { replayed: false } })
  expect(await countRows()).toBe(1)
  expect(await postUntilDefinite(through, request)).toMatchObject({ posted: { replayed: true } })
  await expectSound(through)
})
