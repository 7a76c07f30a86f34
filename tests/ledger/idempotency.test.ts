import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import type { AccountId } from '../../src/db/ids.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Outcome, PostingRequest } from '../../src/ledger/model/posting.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, installStall, openBeside, stall, transfer, untilBlocked } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

/** Two server processes on one database. */
let ledger: TestLedger
let beside: Ledger

beforeEach(async () => {
  ledger = await openTestLedger()
  beside = await openBeside(ledger.test)
})

afterEach(async () => {
  await beside.close()
  await ledger.close()
})

const rowsOf = async (key: string) =>
  (await ledger.test.pool.query('select id from transactions where idempotency_key = $1', [key])).rows

const balancesOf = async (...ids: AccountId[]) => (await ledger.balances.current(ids)).map(({ amount }) => amount)

/** Posts them all at once, every second one through the other process. */
const postAll = (requests: PostingRequest[], ledgers: Ledger[]) =>
  Promise.all(
    requests.map((request, index) => (ledgers[index % ledgers.length] as Ledger).posting.post({ ...request })),
  )

function split(outcomes: Outcome[]) {
  const posted = outcomes.flatMap((outcome) => ('posted' in outcome ? [outcome.posted] : []))
  const refusals = outcomes.flatMap((outcome) => ('refusal' in outcome ? [outcome.refusal] : []))
  return { first: posted.filter(({ replayed }) => !replayed), replays: posted.filter((one) => one.replayed), refusals }
}

test.each([
  ['one process', 1],
  ['two processes', 2],
])(
  'fifty equal requests at once to %s post one transaction, and forty-nine say replayed',
  async (_where, processes) => {
    const ledgers = [ledger, beside].slice(0, processes)
    const [payer, payee] = await makeAccounts(ledger, 2, 100n)
    const request = transfer(payer, payee, 3n)
    const { first, replays, refusals } = split(await postAll(Array(50).fill(request), ledgers))
    expect([first.length, replays.length, refusals.length]).toEqual([1, 49, 0])
    for (const { transaction } of replays) expect(transaction).toEqual(first[0]?.transaction)
    expect(await rowsOf(request.idempotencyKey)).toEqual([{ id: first[0]?.transaction.id }])
    expect(await balancesOf(payer, payee)).toEqual([97n, 103n])
    expect(ledger.errors).toEqual([])
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  },
)

test('of different payloads racing with one key exactly one wins, and the others name what differs', async () => {
  const [first, second, third, fourth] = await makeAccounts(ledger, 4, 1_000n)
  for (let round = 0; round < 10; round++) {
    const key = randomUUID()
    const payloads = [
      transfer(first, second, 1n, key),
      transfer(first, second, 2n, key),
      transfer(first, third, 1n, key),
      transfer(third, second, 1n, key),
      transfer(third, fourth, 4n, key),
      deposit(second, 1n, key),
      deposit(fourth, 6n, key),
    ]
    const outcomes = await postAll([...payloads, ...payloads], [ledger, beside])
    const { first: won, replays, refusals } = split(outcomes)
    expect([won.length, replays.length, refusals.length]).toEqual([1, 1, 12])
    const winner = won[0]?.transaction as PostingRequest
    for (const [index, outcome] of outcomes.entries()) {
      if (!('refusal' in outcome)) continue
      const loser = [...payloads, ...payloads][index] as PostingRequest
      const kindDiffers = (loser.sourceAccountId === null) !== (winner.sourceAccountId === null)
      const differingFields = [
        ...(kindDiffers ? ['kind'] : loser.sourceAccountId !== winner.sourceAccountId ? ['sourceAccountId'] : []),
        ...(loser.destinationAccountId !== winner.destinationAccountId ? ['destinationAccountId'] : []),
        ...(loser.amount !== winner.amount ? ['amount'] : []),
      ]
      expect(outcome.refusal).toEqual({ code: 'IDEMPOTENCY_CONFLICT', differingFields, transaction: winner })
    }
    expect(await rowsOf(key)).toHaveLength(1)
  }
  expect(ledger.errors).toEqual([])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('a key that another process is about to commit is waited for, then named as taken', async () => {
  const [first, second] = await makeAccounts(ledger, 2)
  await installStall(ledger.test)
  const gate = await stall(ledger.test)
  const key = randomUUID()
  const winning = ledger.posting.post(deposit(first, 5n, key))
  await untilBlocked(ledger.test, 1, 'insert into%')
  // Other accounts, so no lock is shared; it looks for the key and finds it free.
  const losing = beside.posting.post(deposit(second, 5n, key))
  await untilBlocked(ledger.test, 2, 'insert into%')
  await gate.commit()
  const outcomes = await Promise.all([winning, losing])
  const { first: won, refusals } = split(outcomes)
  expect(won).toHaveLength(1)
  expect(refusals).toEqual([
    { code: 'IDEMPOTENCY_CONFLICT', differingFields: ['destinationAccountId'], transaction: won[0]?.transaction },
  ])
  expect((await balancesOf(first, second)).toSorted()).toEqual([0n, 5n])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('a replay is answered only once the first posting is committed', async () => {
  const [account] = await makeAccounts(ledger, 1)
  await installStall(ledger.test)
  const gate = await stall(ledger.test)
  const request = deposit(account, 5n)
  let answerCount = 0
  const post = async (through: Ledger) => {
    const outcome = await through.posting.post(request)
    answerCount++
    return outcome
  }
  const one = post(ledger)
  await untilBlocked(ledger.test, 1, 'insert into%')
  const other = post(beside)
  await untilBlocked(ledger.test, 2)
  expect(answerCount).toBe(0)
  await gate.commit()
  // Both wait for locks that time out, so on a slow machine either may be the first.
  const { first, replays } = split(await Promise.all([one, other]))
  expect([first.length, replays.length]).toEqual([1, 1])
  expect(replays[0]?.transaction).toEqual(first[0]?.transaction)
})

test('a key is taken for good: replays outlive the process, the money and a changed payload', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2, 10n)
  const request = transfer(payer, payee, 10n)
  await ledger.posting.post(request)
  expect(await balancesOf(payer)).toEqual([0n])
  const { replays } = split(await postAll([request, request], [beside]))
  expect(replays.map(({ transaction }) => transaction.idempotencyKey)).toEqual(Array(2).fill(request.idempotencyKey))
  const changed = await beside.posting.post({ ...request, sourceAccountId: null, amount: toAmount(11n) })
  expect(changed).toMatchObject({ refusal: { code: 'IDEMPOTENCY_CONFLICT', differingFields: ['kind', 'amount'] } })
  expect(await balancesOf(payer, payee)).toEqual([0n, 20n])
})
