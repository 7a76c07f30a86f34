import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import type { AccountId } from '../../src/db/ids.ts'
import { databaseOf } from '../../src/db/pool.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Outcome, PostingRequest } from '../../src/ledger/model/posting.ts'
import type { LedgerTransaction } from '../../src/ledger/model/transaction.ts'
import { loadTotals } from '../../src/ledger/reading/totals.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { countDeadlocks, deposit, openBeside, transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'

/* Two server processes on one database take the same transactions back. */

let database: TestDatabase
let ledgers: [Ledger, Ledger]
let errors: unknown[]

beforeEach(async () => {
  database = await openTestDatabase()
  errors = []
  const onError = (error: unknown) => errors.push(error)
  const options = { onError, operationDeadlineMs: 60_000, batchLockWaitMs: 20 }
  ledgers = [await openBeside(database, options), await openBeside(database, options)]
})

afterEach(async () => {
  await Promise.all(ledgers.map((ledger) => ledger.close()))
  expect(errors).toEqual([])
  expect(await countDeadlocks(database)).toBe(0)
  expect(await verifyLedger(database.pool)).toEqual([])
  await database.close()
})

const either = (turn: number) => ledgers[turn % 2] as Ledger

async function post(request: PostingRequest, through = ledgers[0]): Promise<LedgerTransaction> {
  const outcome = await through.posting.post(request)
  if (!('posted' in outcome)) throw new Error(outcome.refusal.code)
  return outcome.posted.transaction
}

const reversal = (original: LedgerTransaction, amount: bigint, idempotencyKey: string = randomUUID()) =>
  ({
    idempotencyKey,
    sourceAccountId: original.destinationAccountId,
    destinationAccountId: original.sourceAccountId,
    amount: toAmount(amount),
    reverses: original,
  }) satisfies PostingRequest

/** How much of it is reversed, by its rows. */
async function reversedOf({ id }: LedgerTransaction): Promise<bigint> {
  const { rows } = await database.pool.query(
    'select coalesce(sum(amount), 0)::text as sum from transactions where reverses_id = $1',
    [id],
  )
  return BigInt(rows[0].sum)
}

const amountsOf = (outcomes: readonly Outcome[]) =>
  outcomes.flatMap((outcome) => ('posted' in outcome ? [outcome.posted.transaction.amount as bigint] : []))
const refusalsOf = (outcomes: readonly Outcome[]) =>
  outcomes.flatMap((outcome) => ('refusal' in outcome ? [outcome.refusal] : []))
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)

test('both reverse one transaction in parts, 200 times: never more than it moved', async () => {
  const [payer, payee] = await makeAccounts(ledgers[0], 2, 100_000n)
  for (let round = 0; round < 200; round++) {
    const original = await post(transfer(payer, payee, 100n), either(round))
    const parts = [30n, 41n, 29n, 50n, 7n, 100n].map((amount) => reversal(original, amount))
    const outcomes = await Promise.all(parts.map((part, turn) => either(turn).posting.post(part)))
    const reversed = sum(amountsOf(outcomes))
    expect(reversed).toBe(await reversedOf(original))
    expect(reversed).toBeLessThanOrEqual(100n)
    for (const [turn, outcome] of outcomes.entries()) {
      if ('posted' in outcome) continue
      const asked = parts[turn]?.amount as bigint
      expect(outcome.refusal).toMatchObject({ code: 'REVERSAL_EXCEEDS' })
      const { remaining } = outcome.refusal as Extract<typeof outcome.refusal, { code: 'REVERSAL_EXCEEDS' }>
      // What was left when it was judged: less than was asked for, and no less than is left at the end.
      expect(remaining).toBeLessThan(asked)
      expect(remaining).toBeGreaterThanOrEqual(100n - reversed)
    }
    // What the last refusal said remains can be taken back, and nothing after it.
    if (reversed < 100n) await post(reversal(original, 100n - reversed), either(round + 1))
    expect(refusalsOf([await either(round).posting.post(reversal(original, 1n))])).toEqual([
      { code: 'REVERSAL_EXCEEDS', remaining: 0n },
    ])
  }
  const balances = await ledgers[1].balances.current([payer, payee])
  expect(balances.map(({ amount }) => amount)).toEqual([100_000n, 100_000n])
})

test('deposits and withdrawals are taken back by both, beside transfers between the same accounts', async () => {
  const [ada, grace] = await makeAccounts(ledgers[0], 2, 1_000n)
  const other = (account: AccountId) => (account === ada ? grace : ada)
  for (let round = 0; round < 40; round++) {
    const account = round % 2 ? ada : grace
    const paidIn = await post(deposit(account, 20n), either(round))
    const paidOut = await post(
      { ...deposit(account, 20n), sourceAccountId: account, destinationAccountId: null },
      either(round + 1),
    )
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, turn) =>
        either(turn).posting.post(reversal(turn % 4 < 2 ? paidIn : paidOut, BigInt(5 + turn))),
      ),
    )
    await Promise.all([0, 1].map((turn) => post(transfer(account, other(account), 1n), either(turn))))
    for (const { code } of refusalsOf(outcomes)) expect(code).toBe('REVERSAL_EXCEEDS')
    expect(await reversedOf(paidIn)).toBeLessThanOrEqual(20n)
    expect(await reversedOf(paidOut)).toBeLessThanOrEqual(20n)
  }
  const { currencies } = await loadTotals(databaseOf(database.pool))
  for (const { deposited, withdrawn, balances } of currencies) expect(balances).toBe(deposited - withdrawn)
})

test('a reversal that is sent again is a replay, on both, also once the rest is taken back', async () => {
  const [payer, payee] = await makeAccounts(ledgers[0], 2, 1_000n)
  for (let round = 0; round < 40; round++) {
    const original = await post(transfer(payer, payee, 10n))
    const part = reversal(original, 6n)
    const outcomes = await Promise.all([0, 1, 2, 3].map((turn) => either(turn).posting.post(part)))
    const posted = outcomes.flatMap((outcome) => ('posted' in outcome ? [outcome.posted] : []))
    expect(posted).toHaveLength(4)
    expect(new Set(posted.map(({ transaction }) => transaction.id)).size).toBe(1)
    expect(posted.filter(({ replayed }) => !replayed)).toHaveLength(1)
    await post(reversal(original, 4n), either(round))
    expect(await either(round).posting.post(part)).toMatchObject({ posted: { replayed: true } })
    expect(await reversedOf(original)).toBe(10n)
  }
})
