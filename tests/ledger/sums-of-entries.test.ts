import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { type Instant, instantOf, microsecondsOf, toInstant } from '../../src/db/instant.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import { loadEntries } from '../../src/ledger/reading/history.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, readAccount, transfer } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

/** A ledger of five accounts: the last has no entries, the one before it passes 64 bits in turnover. */
let ledger: TestLedger
let accounts: AccountId[]

beforeAll(async () => {
  ledger = await openTestLedger()
  accounts = await makeAccounts(ledger, 5)
  const [first, second, third, full] = accounts as [AccountId, AccountId, AccountId, AccountId]
  await Promise.all([first, second, third].map((account) => ledger.posting.post(deposit(account, 1_000n))))
  await Promise.all(
    Array.from({ length: 240 }, (_, index) => {
      const [source, destination] = [accounts[index % 3], accounts[(index + 1 + (index % 2)) % 3]] as [
        AccountId,
        AccountId,
      ]
      return ledger.posting.post(transfer(source, destination, BigInt(1 + (index % 37))))
    }),
  )
  for (let count = 0; count < 3; count++) {
    await ledger.posting.post(deposit(full, AMOUNT_MAX))
    const [sink] = await makeAccounts(ledger, 1)
    await ledger.posting.post(transfer(full, sink, AMOUNT_MAX - BigInt(count)))
  }
})

afterAll(async () => {
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
  await ledger.close()
})

const dropCheckpoints = () => ledger.test.pool.query('delete from private.balance_checkpoints')

/**
 * Writes the checkpoints of an account at these numbers, straight from its entries. The ledger may write one of them first: it fills
 * the gaps that earlier reads met.
 */
async function writeCheckpoints(account: string, sequences: readonly number[]): Promise<void> {
  const entries = await readAccount(ledger.test, account)
  for (const sequence of sequences) {
    const { balance, createdAt, transactionId } = entries[sequence - 1] as (typeof entries)[number]
    await ledger.test.pool.query(
      `insert into private.balance_checkpoints (account_id, sequence, balance, through, transaction_id) values ($1, $2, $3, $4, $5)
       on conflict do nothing`,
      [account, sequence, balance.toString(), createdAt, transactionId],
    )
  }
}

/** Everything that can be asked of every account, answered by the ledger, against its entries summed by hand. */
async function expectTheAnswersOfTheEntries(): Promise<void> {
  const current = await ledger.balances.current(accounts)
  for (const [index, account] of accounts.entries()) {
    const entries = await readAccount(ledger.test, account)
    const last = entries.at(-1)
    const amount = last?.balance ?? 0n
    const asOf = last?.createdAt ?? null
    expect(current[index]).toEqual({ accountId: account, amount, sequence: entries.length, asOf })

    const offsets = entries.flatMap(({ createdAt }) =>
      [-1, 0, 1].map((by) => instantOf(microsecondsOf(createdAt) + by)),
    )
    const moments = [toInstant('2000-01-01T00:00:00.000000Z'), ...offsets].sort()
    const balanceAt = (moment: Instant) => entries.findLast(({ createdAt }) => createdAt <= moment)
    const expected = moments.map((moment) => balanceAt(moment)?.balance ?? 0n)
    const answers = await ledger.balances.asOf(moments.map((moment) => ({ accountId: account, asOf: moment })))
    expect(answers).toEqual(
      moments.map((moment, at) => ({
        accountId: account,
        amount: expected[at],
        sequence: balanceAt(moment)?.sequence ?? 0,
        asOf: moment,
      })),
    )
    const { rows } = await ledger.test.pool.query(
      `select get_current_balance($1) as now, array(
         select get_balance_on_date($1, moment)::text from unnest($2::timestamptz[]) with ordinality as at (moment, place) order by place
       ) as past`,
      [account, moments],
    )
    expect(rows).toEqual([{ now: amount.toString(), past: expected.map(String) }])

    const ranges = [1, 2, 7, 60].map((low) => ({ accountId: account, low, high: low + 49 }))
    for (const [at, page] of (await loadEntries(ledger.database, ranges, () => {})).entries()) {
      const { low, high } = ranges[at] as (typeof ranges)[number]
      expect(
        page.map(
          ({ sequence, balanceAfter }) => [sequence, balanceAfter],
          () => {},
        ),
      ).toEqual(
        entries
          .filter(({ sequence }) => sequence >= low && sequence <= high)
          .map(({ sequence, balance }) => [sequence, balance])
          .reverse(),
      )
    }
  }
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
}

test('without checkpoints every answer is the sum of the entries', async () => {
  await dropCheckpoints()
  await expectTheAnswersOfTheEntries()
})

test.each([
  ['at the first entry', (length: number) => [1].filter((at) => at <= length)],
  ['at the last entry', (length: number) => [length].filter((at) => at > 0)],
  ['at every entry', (length: number) => Array.from({ length }, (_, index) => index + 1)],
  ['here and there', (length: number) => [2, 3, 5, 50, 51, 100, 149].filter((at) => at <= length)],
])('checkpoints %s change no answer, nor does their loss', async (_where, choose) => {
  await dropCheckpoints()
  for (const account of accounts) {
    await writeCheckpoints(account, choose((await readAccount(ledger.test, account)).length))
  }
  await expectTheAnswersOfTheEntries()
  await ledger.test.pool.query('delete from private.balance_checkpoints where sequence % 2 = 0')
  await expectTheAnswersOfTheEntries()
  await dropCheckpoints()
  await expectTheAnswersOfTheEntries()
})

test('a checkpoint is read: one that lies is served, and verify names it', async () => {
  await dropCheckpoints()
  const [account] = accounts as [AccountId]
  const { length } = await readAccount(ledger.test, account)
  await writeCheckpoints(account, [length - 1])
  await ledger.test.pool.query('update private.balance_checkpoints set balance = balance + 1')
  const codes = (await verifyLedger(ledger.test.pool)).map(({ code }) => code)
  expect(codes).toEqual(expect.arrayContaining(['CHECKPOINT_WRONG', 'SERVED_BALANCE_WRONG', 'FUNCTION_WRONG']))
  await dropCheckpoints()
})

test('postings go on from a checkpoint as from the entries', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2, 100n)
  await ledger.posting.post(transfer(payer, payee, 60n))
  await writeCheckpoints(payer, [2])
  await writeCheckpoints(payee, [1])
  const refused = await ledger.posting.post(transfer(payer, payee, 41n))
  expect(refused).toMatchObject({ refusal: { code: 'INSUFFICIENT_FUNDS', available: 40n } })
  expect(await ledger.posting.post(transfer(payer, payee, 40n))).toMatchObject({
    posted: { transaction: { sourceSequence: 3, destinationSequence: 3 }, balancesAfter: { source: 0n } },
  })
  expect((await readAccount(ledger.test, payer)).map(({ balance }) => balance)).toEqual([100n, 40n, 0n])
})

test('the functions say NULL of a user who is not there, and need no search path', async () => {
  const client = await ledger.test.pool.connect()
  try {
    await client.query(`set search_path = pg_temp`)
    const { rows } = await client.query(
      `select public.get_current_balance(id) as now, public.get_balance_on_date(id, now()) as past, pg_typeof(public.get_current_balance(id))::text as type
       from unnest($1::uuid[]) as asked (id)`,
      [[randomUUID(), accounts[4], null]],
    )
    expect(rows).toEqual([
      { now: null, past: null, type: 'bigint' },
      { now: '0', past: '0', type: 'bigint' },
      { now: null, past: null, type: 'bigint' },
    ])
  } finally {
    client.release(true)
  }
})

test('the function for a moment knows no balance at no moment', async () => {
  const { rows } = await ledger.test.pool.query('select get_balance_on_date($1, null) as balance', [accounts[0]])
  expect(rows).toEqual([{ balance: null }])
})
