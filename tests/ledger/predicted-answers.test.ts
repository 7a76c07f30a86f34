import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toAccountId } from '../../src/db/ids.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import type { PostingRequest } from '../../src/ledger/model/posting.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { Model, toExpected } from '../support/model.ts'

let ledger: TestLedger

beforeEach(async () => {
  // Small batches, so that several are in flight and many are cut.
  ledger = await openTestLedger({ batchSizeMax: 16 })
})
afterEach(() => ledger.close())

const CALLERS = 8
const NOBODY = toAccountId('00000000-0000-7000-8000-000000000000')
const ROUNDS = 30
const RUNS = 20

const wish = fc.record({
  key: fc.nat(150),
  // 0 is the world outside, 7 nobody.
  source: fc.constantFrom(0, 0, 1, 1, 2, 3, 4, 5, 6, 7),
  destination: fc.constantFrom(1, 1, 2, 3, 4, 5, 6, 7),
  amount: fc.oneof({ weight: 9, arbitrary: fc.bigInt(1n, 50n) }, fc.constantFrom(AMOUNT_MAX, AMOUNT_MAX - 20n)),
})
type PostingItem = typeof wish extends fc.Arbitrary<infer Value> ? Value : never

/** One posting mostly; sometimes several together, each with a key of its own. */
const operation = fc.oneof(
  { weight: 8, arbitrary: wish.map((one) => [one]) },
  { weight: 2, arbitrary: fc.uniqueArray(wish, { minLength: 2, maxLength: 6, selector: ({ key }) => key }) },
)
/** How many operations are sent before all are waited for: from one alone to five for each caller. */
const round = fc.array(operation, { minLength: 1, maxLength: CALLERS * 5, size: 'max' })

/** A whole run follows from one number, which is what is told of a run that fails: put it here to run it again. */
const seeds = fc.integer()
const roundsOf = (seed: number) => fc.sample(round, { seed, numRuns: ROUNDS })

test('every answer is the one that a plain model predicts, whoever calls meanwhile', async () => {
  let operations = 0
  let together = 0
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const accounts = await makeAccounts(ledger, 6)
      const nobody = toAccountId(randomUUID())
      const keys = Array.from({ length: 151 }, () => randomUUID())
      const idOf = (place: number) => (place === 7 ? nobody : (accounts[place - 1] as AccountId))
      const requestOf = ({ key, source, destination, amount }: PostingItem): PostingRequest => ({
        idempotencyKey: keys[key] as string,
        sourceAccountId: source === 0 ? null : idOf(source),
        destinationAccountId: idOf(destination),
        amount: toAmount(amount),
      })
      const model = new Model(accounts)
      for (const round of roundsOf(seed)) {
        // Sent in one go: the model judges in the order of the calls, and so must the engine.
        const answers = round.map((wishes) => {
          const requests = wishes.map(requestOf)
          return { predicted: model.call(requests), answer: ledger.posting.postTogether(requests) }
        })
        for (const { predicted, answer } of answers) expect(toExpected(await answer)).toEqual(predicted)
        operations += round.length
        together += round.filter(({ length }) => length > 1).length
      }
      const balances = await ledger.balances.current(accounts)
      expect(balances.map(({ amount, sequence }) => [amount, sequence])).toEqual(
        accounts.map((id) => [model.balanceOf(id), model.entriesOf(id)]),
      )
      const { rowCount } = await ledger.test.pool.query(
        'select from transactions where idempotency_key = any($1::uuid[])',
        [keys],
      )
      expect(rowCount).toBe(model.transactionCount)
    }),
    { numRuns: RUNS, endOnFailure: true },
  )
  expect(operations).toBeGreaterThanOrEqual(10_000)
  expect(together).toBeGreaterThan(500)
  expect(ledger.posting.counts.batches).toBeGreaterThan(500)
  expect(ledger.errors).toEqual([])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('with several submitters each has the answers of its own model', async () => {
  const SUBMITTERS = ['one', 'other', 'third']
  let operations = 0
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const [shared] = await makeAccounts(ledger, 1)
      const worlds = await Promise.all(
        SUBMITTERS.map(async (submitter) => {
          const accounts = await makeAccounts(ledger, 6)
          return {
            submitter,
            accounts,
            model: new Model(accounts),
            keys: Array.from({ length: 151 }, () => randomUUID()),
          }
        }),
      )
      let paid = 0
      for (const [index, round] of roundsOf(seed).slice(0, 10).entries()) {
        const answers = round.flatMap((wishes, place) =>
          // Not as many of each: submitters are to be light and bulk in turns.
          worlds.slice(0, 1 + ((index + place) % SUBMITTERS.length)).map(({ submitter, accounts, model, keys }) => {
            const requests = wishes.map(
              ({ key, source, destination, amount }): PostingRequest => ({
                idempotencyKey: keys[key] as string,
                sourceAccountId: source === 0 ? null : (accounts[source - 1] ?? NOBODY),
                destinationAccountId: accounts[destination - 1] ?? NOBODY,
                amount: toAmount(amount),
              }),
            )
            return { predicted: model.call(requests), answer: ledger.posting.postTogether(requests, submitter) }
          }),
        )
        // All of them pay into one account as well: these calls hold each other back.
        const gifts = SUBMITTERS.map((submitter) =>
          ledger.posting.post(
            { idempotencyKey: randomUUID(), sourceAccountId: null, destinationAccountId: shared, amount: toAmount(1n) },
            submitter,
          ),
        )
        for (const { predicted, answer } of answers) expect(toExpected(await answer)).toEqual(predicted)
        for (const gift of gifts) expect(await gift).toMatchObject({ posted: { replayed: false } })
        paid += gifts.length
        operations += answers.length
      }
      for (const { accounts, model } of worlds) {
        const balances = await ledger.balances.current(accounts)
        expect(balances.map(({ amount, sequence }) => [amount, sequence])).toEqual(
          accounts.map((id) => [model.balanceOf(id), model.entriesOf(id)]),
        )
      }
      expect(await ledger.balances.current([shared])).toMatchObject([{ amount: BigInt(paid), sequence: paid }])
    }),
    { numRuns: 5, endOnFailure: true },
  )
  expect(operations).toBeGreaterThan(1_000)
  expect(ledger.posting.unansweredCount).toBe(0)
  expect(ledger.errors).toEqual([])
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})
