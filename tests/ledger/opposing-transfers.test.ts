import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { countDeadlocks, openBeside, readAccount, transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'

/** Two server processes on one database: within one, postings may be gathered and never meet. */
let database: TestDatabase
let ledgers: [Ledger, Ledger]
let errors: unknown[]

beforeEach(async () => {
  database = await openTestDatabase()
  errors = []
  const onError = (error: unknown) => errors.push(error)
  const options = { onError, operationDeadlineMs: 60_000 }
  ledgers = [await openBeside(database, options), await openBeside(database, options)]
})

const closeLedgers = () => Promise.all(ledgers.splice(0).map((ledger) => ledger.close()))

afterEach(async () => {
  await closeLedgers()
  await database.close()
})

test('two users who pay each other 500 times at once end where they began', async () => {
  const [first, second] = await makeAccounts(ledgers[0], 2, 500n)
  const outcomes = await Promise.all(
    Array.from({ length: 1_000 }, (_, index) => {
      const [source, destination] = index % 2 ? [first, second] : [second, first]
      return (ledgers[(index >> 1) % 2] as Ledger).posting.post(transfer(source, destination, 1n))
    }),
  )
  expect(outcomes.filter((outcome) => !('posted' in outcome) || outcome.posted.replayed)).toEqual([])
  expect((await ledgers[0].balances.current([first, second])).map(({ amount }) => amount)).toEqual([500n, 500n])
  for (const account of [first, second]) {
    const entries = await readAccount(database, account)
    expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 1_001 }, (_, index) => index + 1))
    expect(entries.filter(({ balance }) => balance < 0n)).toEqual([])
  }
  await closeLedgers()
  expect(await countDeadlocks(database)).toBe(0)
  expect(errors).toEqual([])
  expect(await verifyLedger(database.pool)).toEqual([])
})

test('two users with one cent each pay it to and fro: some are refused, none is overdrawn', async () => {
  const [first, second] = await makeAccounts(ledgers[0], 2, 1n)
  const outcomes = await Promise.all(
    Array.from({ length: 400 }, (_, index) => {
      const [source, destination] = index % 2 ? [first, second] : [second, first]
      return (ledgers[(index >> 1) % 2] as Ledger).posting.post(transfer(source, destination, 1n))
    }),
  )
  const refusals = outcomes.flatMap((outcome) => ('refusal' in outcome ? [outcome.refusal] : []))
  for (const refusal of refusals) expect(refusal).toMatchObject({ code: 'INSUFFICIENT_FUNDS', available: 0n })
  const posted = 400 - refusals.length
  const entries = [await readAccount(database, first), await readAccount(database, second)]
  expect(entries.map(({ length }) => length)).toEqual([posted + 1, posted + 1])
  expect(entries.flat().filter(({ balance }) => balance < 0n || balance > 2n)).toEqual([])
  await closeLedgers()
  expect(await countDeadlocks(database)).toBe(0)
  expect(await verifyLedger(database.pool)).toEqual([])
})

test('rings of payers beside changes of profile: no deadlock, and nothing is lost', async () => {
  const accounts = await makeAccounts(ledgers[0], 6, 1_000n)
  let posting = true
  const profiles = (async () => {
    let changes = 0
    for (; posting; changes++) {
      await database.pool.query('update users set updated_at = now() where id = $1', [accounts[changes % 6]])
    }
    return changes
  })()
  const newcomers = (async () => {
    let count = 0
    for (; posting; count++) {
      const email = `newcomer${count}@example.com`
      await (ledgers[count % 2] as Ledger).users.create({ email, passwordHash: null, role: 'USER' })
    }
    return count
  })()
  const outcomes = await Promise.all(
    Array.from({ length: 900 }, (_, index) => {
      const step = 1 + (index % 5)
      const [source, destination] = [accounts[index % 6], accounts[(index + step) % 6]] as [AccountId, AccountId]
      return (ledgers[index % 2] as Ledger).posting.post(transfer(source, destination, 1n))
    }),
  ).finally(() => {
    posting = false
  })
  expect(await profiles).toBeGreaterThan(0)
  expect(await newcomers).toBeGreaterThan(0)
  expect(outcomes.filter((outcome) => !('posted' in outcome))).toEqual([])
  const balances = await ledgers[0].balances.current(accounts)
  expect(balances.reduce((sum, { amount }) => sum + amount, 0n)).toBe(6_000n)
  await closeLedgers()
  expect(await countDeadlocks(database)).toBe(0)
  expect(await verifyLedger(database.pool)).toEqual([])
})

test('the count of deadlocks does count them', async () => {
  const [first, second] = await makeAccounts(ledgers[0], 2)
  const lock = 'select from accounts where id = $1 for no key update'
  const clients = [await database.pool.connect(), await database.pool.connect()] as const
  for (const [index, client] of clients.entries()) {
    await client.query('begin')
    await client.query(lock, [[first, second][index]])
  }
  const crossed = await Promise.allSettled([clients[0].query(lock, [second]), clients[1].query(lock, [first])])
  expect(crossed.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  for (const client of clients) client.release(true)
  await closeLedgers()
  await expect.poll(() => countDeadlocks(database)).toBe(1)
})
