import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { toAccountId } from '../../src/db/ids.ts'
import type { AccountStatus } from '../../src/ledger/model/account.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import type { PostingRequest } from '../../src/ledger/model/posting.ts'
import { REFUSAL_MESSAGES } from '../../src/ledger/model/refusal.ts'
import type { LedgerTransaction } from '../../src/ledger/model/transaction.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import {
  type MixedAccount,
  makeAccounts,
  makeMixedAccounts,
  openTestLedger,
  type TestLedger,
} from '../support/ledger.ts'
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
const KEYS = 151

const wish = fc.record({
  key: fc.nat(KEYS - 1),
  isRepeat: fc.boolean(),
  // 0 is the world outside, 8 nobody.
  source: fc.constantFrom(0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8),
  destination: fc.constantFrom(0, 1, 1, 2, 3, 4, 5, 6, 7, 8),
  /** Of what was posted before the round, which one it takes back. */
  reversed: fc.option(fc.nat(9), { freq: 5 }),
  description: fc.constantFrom(undefined, undefined, null, 'rent', 'Rent'),
  metadata: fc.constantFrom(undefined, undefined, null, { order: '17' }, { order: '18', shop: 'a' }),
  amount: fc.oneof({ weight: 9, arbitrary: fc.bigInt(1n, 50n) }, fc.constantFrom(AMOUNT_MAX, AMOUNT_MAX - 20n)),
  currency: fc.constantFrom(null, null, null, null, null, undefined, 'USD', 'EUR'),
  ignoreFreeze: fc.constantFrom(undefined, false, false, true),
})
type PostingItem = typeof wish extends fc.Arbitrary<infer Value> ? Value : never

/** Makes the postings of items, between accounts by their places. Some repeat what was sent before with the same key. */
function requestsOf(accounts: readonly MixedAccount[], posted: readonly LedgerTransaction[] = []) {
  const sent = new Map<number, PostingRequest>()
  const keys = Array.from({ length: KEYS }, () => randomUUID())
  const requestOf = ({ key, source, destination, amount, isRepeat, reversed, ...rest }: PostingItem) => {
    const earlier = isRepeat ? sent.get(key) : undefined
    // The latest ones are reversed again and again.
    const reverses = reversed === null ? undefined : posted.at(-1 - reversed)
    const sides = reverses
      ? { sourceAccountId: reverses.destinationAccountId, destinationAccountId: reverses.sourceAccountId }
      : {
          sourceAccountId: source === 0 ? null : (accounts[source - 1]?.id ?? NOBODY),
          // Money does not move from outside to outside.
          destinationAccountId:
            destination === 0 && source !== 0 ? null : (accounts[Math.max(0, destination - 1)]?.id ?? NOBODY),
        }
    const request: PostingRequest = {
      ...(earlier ?? {
        idempotencyKey: keys[key] as string,
        ...sides,
        reverses,
        amount: toAmount(amount),
      }),
      ...rest,
    }
    sent.set(key, request)
    return request
  }
  return { keys, requestOf }
}

/** Before a round some accounts are opened, frozen or closed. Most of the time most are open. */
const STATUSES: readonly AccountStatus[] = ['OPEN', 'OPEN', 'OPEN', 'FROZEN', 'CLOSED']
const statuses = fc.array(fc.record({ place: fc.nat(6), status: fc.constantFrom(...STATUSES) }), { maxLength: 4 })

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
  const counts = new Map<string, number>()
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const accounts = await makeMixedAccounts(ledger)
      const posted: LedgerTransaction[] = []
      const { keys, requestOf } = requestsOf(accounts, posted)
      const model = new Model(accounts)
      const changes = fc.sample(statuses, { seed, numRuns: ROUNDS })
      for (const [index, round] of roundsOf(seed).entries()) {
        for (const { place, status } of changes[index] ?? []) {
          const { id } = accounts[place] as MixedAccount
          const isChanged = model.setStatus(id, status)
          const expected = isChanged ? { account: { id, status } } : { refusal: 'ACCOUNT_NOT_EMPTY' }
          expect(await ledger.accounts.setStatus(id, status)).toMatchObject(expected)
          count(isChanged ? status : 'ACCOUNT_NOT_EMPTY')
        }
        // Sent in one go: the model judges in the order of the calls, and so must the engine.
        const answers = round.map((wishes) => {
          const requests = wishes.map(requestOf)
          return { predicted: model.call(requests), answer: ledger.posting.postTogether(requests) }
        })
        for (const { predicted, answer } of answers) {
          const outcome = await answer
          expect(toExpected(outcome)).toEqual(predicted)
          if ('posted' in outcome)
            for (const { transaction, replayed } of outcome.posted)
              if (!replayed && transaction.reversesId === null) posted.push(transaction)
          for (const one of predicted) count('refused' in one ? one.refused : one.replayed ? 'replayed' : 'posted')
        }
        operations += round.length
        together += round.filter(({ length }) => length > 1).length
      }
      const ids = accounts.map(({ id }) => id)
      const balances = await ledger.balances.current(ids)
      expect(balances.map(({ amount, sequence }) => [amount, sequence])).toEqual(
        ids.map((id) => [model.balanceOf(id), model.entriesOf(id)]),
      )
      for (const currency of ['USD', 'EUR']) {
        const { balances, deposited, withdrawn } = model.totalsIn(currency)
        expect(balances).toBe(deposited - withdrawn)
      }
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
  // All of it has happened, and often.
  const outcomes = [...STATUSES, 'ACCOUNT_NOT_EMPTY', ...Object.keys(REFUSAL_MESSAGES), 'replayed', 'posted']
  expect(outcomes.filter((outcome) => (counts.get(outcome) ?? 0) < 20)).toEqual([])
  const { currencies } = await ledger.loadTotals()
  expect(currencies.map(({ currency }) => currency.code)).toEqual(['EUR', 'USD'])
  for (const { balances, deposited, withdrawn } of currencies) expect(balances).toBe(deposited - withdrawn)
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
          const accounts = await makeMixedAccounts(ledger)
          return {
            submitter,
            accounts,
            model: new Model(accounts),
            requestOf: requestsOf(accounts).requestOf,
          }
        }),
      )
      let paid = 0
      for (const [index, round] of roundsOf(seed).slice(0, 10).entries()) {
        const answers = round.flatMap((wishes, place) =>
          // Not as many of each: submitters are to be light and bulk in turns.
          worlds.slice(0, 1 + ((index + place) % SUBMITTERS.length)).map(({ submitter, model, requestOf }) => {
            const requests = wishes.map(requestOf)
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
        const ids = accounts.map(({ id }) => id)
        const balances = await ledger.balances.current(ids)
        expect(balances.map(({ amount, sequence }) => [amount, sequence])).toEqual(
          ids.map((id) => [model.balanceOf(id), model.entriesOf(id)]),
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
