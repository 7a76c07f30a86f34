import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toAccountId, toTransactionId } from '../../src/db/ids.ts'
import { instantOf, microsecondsOf } from '../../src/db/instant.ts'
import type { Head } from '../../src/ledger/model/head.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import type { Outcome, Posting } from '../../src/ledger/model/posting.ts'
import { fold as foldCalls, type LedgerState } from '../../src/ledger/posting/fold.ts'

const [ADA, GRACE, LINUS] = [toAccountId('ada'), toAccountId('grace'), toAccountId('linus')]
const ACCOUNTS = [ADA, GRACE, LINUS]
const NOBODY = toAccountId('nobody')
const CLOCK = 1_700_000_000_000_000

/** Few users, keys and amounts, so that they meet often: themselves, each other, nobody, and the limits. */
const postings = fc
  .array(
    fc.record({
      idempotencyKey: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      sourceAccountId: fc.constantFrom(null, null, ...ACCOUNTS, ...ACCOUNTS, NOBODY),
      destinationAccountId: fc.constantFrom(...ACCOUNTS, ...ACCOUNTS, NOBODY),
      amount: fc.constantFrom(1n, 2n, 3n, 50n, AMOUNT_MAX - 2n, AMOUNT_MAX),
    }),
    { maxLength: 30 },
  )
  .map((wishes): Posting[] =>
    wishes.map((wish, index) => ({ ...wish, id: toTransactionId(`id-${index}`), amount: toAmount(wish.amount) })),
  )

const heads = fc.record({
  sequence: fc.nat(5),
  balance: fc.constantFrom(0n, 1n, 3n, 100n, AMOUNT_MAX - 1n, AMOUNT_MAX),
  aheadUs: fc.constantFrom(-5_000_000, -1, 0, 1, 900),
})

const states = fc.tuple(heads, heads, heads).map((all): LedgerState => {
  const toHead = ({ sequence, balance, aheadUs }: (typeof all)[number]): Head =>
    sequence === 0
      ? { sequence, balance: toAmount(0n), createdAt: null }
      : { sequence, balance: toAmount(balance), createdAt: instantOf(CLOCK + aheadUs) }
  return {
    clock: CLOCK,
    accounts: open(ACCOUNTS),
    heads: new Map(ACCOUNTS.map((account, index) => [account, toHead(all[index] as (typeof all)[number])])),
    recorded: new Map(),
  }
})

const open = (ids: readonly AccountId[]): LedgerState['accounts'] =>
  new Map(ids.map((id) => [id, { status: 'OPEN', currency: 'USD' }]))

/** Calls of one posting each. */
function fold(batch: readonly Posting[], state: LedgerState) {
  const { outcomes, ...folded } = foldCalls(
    batch.map((posting) => [posting]),
    state,
  )
  const outcomesOfOne = outcomes.map((outcome): Outcome => {
    if ('posted' in outcome) return { posted: outcome.posted[0] as never }
    expect(outcome.index).toBe(0)
    return { refusal: outcome.refusal }
  })
  return { ...folded, outcomes: outcomesOfOne }
}

/** The state after a batch: what PostgreSQL would answer to the next one. */
function stateAfter(state: LedgerState, { accepted }: Pick<ReturnType<typeof fold>, 'accepted'>): LedgerState {
  const after = new Map(state.heads)
  for (const {
    sourceAccountId,
    sourceSequence,
    destinationAccountId,
    destinationSequence,
    amount,
    createdAt,
  } of accepted) {
    if (sourceAccountId !== null && sourceSequence !== null) {
      const { balance } = after.get(sourceAccountId) as Head
      after.set(sourceAccountId, { sequence: sourceSequence, balance: toAmount(balance - amount), createdAt })
    }
    const { balance } = after.get(destinationAccountId) as Head
    after.set(destinationAccountId, { sequence: destinationSequence, balance: toAmount(balance + amount), createdAt })
  }
  const recorded = new Map(state.recorded)
  for (const transaction of accepted) recorded.set(transaction.idempotencyKey, transaction)
  return { ...state, heads: after, recorded }
}

/** Balances right after are known only to the batch that posted; a later replay looks them up. */
function comparable(outcome: Outcome) {
  if ('refusal' in outcome || !outcome.posted.replayed) return outcome
  const { balancesAfter: _known, ...posted } = outcome.posted
  return { posted }
}

test('a batch gives exactly what the same postings one at a time would give', () => {
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const together = fold(batch, state)
      let now = state
      const outcomes: Outcome[] = []
      const accepted = []
      for (const posting of batch) {
        const alone = fold([posting], now)
        outcomes.push(...alone.outcomes)
        accepted.push(...alone.accepted)
        now = stateAfter(now, alone)
      }
      expect(together.outcomes.map(comparable)).toEqual(outcomes.map(comparable))
      expect(together.accepted).toEqual(accepted)
      expect(stateAfter(state, together)).toEqual(now)
    }),
    { numRuns: 1_000 },
  )
})

test('a batch gives exactly what its two halves would give, wherever it is cut', () => {
  fc.assert(
    fc.property(states, postings, fc.nat(30), (state, batch, cut) => {
      const first = fold(batch.slice(0, cut), state)
      const second = fold(batch.slice(cut), stateAfter(state, first))
      expect([...first.accepted, ...second.accepted]).toEqual(fold(batch, state).accepted)
    }),
  )
})

test('money is conserved, and no balance is ever negative or past the limit', () => {
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const { accepted } = fold(batch, state)
      const sum = ({ heads }: LedgerState) => [...heads.values()].reduce((total, { balance }) => total + balance, 0n)
      const deposited = accepted.reduce(
        (total, { sourceAccountId, amount }) => total + (sourceAccountId === null ? amount : 0n),
        0n,
      )
      expect(sum(stateAfter(state, { accepted }))).toBe(sum(state) + deposited)
      let now = state
      for (const transaction of accepted) {
        now = stateAfter(now, { accepted: [transaction] })
        for (const { balance } of now.heads.values()) {
          expect(balance).toBeGreaterThanOrEqual(0n)
          expect(balance).toBeLessThanOrEqual(AMOUNT_MAX)
        }
      }
    }),
  )
})

test('the entries of an account are numbered without gaps, and their times rise strictly', () => {
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const { accepted } = fold(batch, state)
      for (const account of ACCOUNTS) {
        let { sequence, createdAt } = state.heads.get(account) as Head
        for (const transaction of accepted) {
          const isSource = transaction.sourceAccountId === account
          if (!isSource && transaction.destinationAccountId !== account) continue
          sequence++
          expect(isSource ? transaction.sourceSequence : transaction.destinationSequence).toBe(sequence)
          expect(microsecondsOf(transaction.createdAt)).toBeGreaterThanOrEqual(state.clock)
          if (createdAt !== null) expect(transaction.createdAt > createdAt).toBe(true)
          createdAt = transaction.createdAt
        }
      }
    }),
  )
})

test('a key is used up by what was accepted, once, and by nothing that was refused', () => {
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const { accepted, outcomes } = fold(batch, state)
      expect(new Set(accepted.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(accepted.length)
      expect(outcomes).toHaveLength(batch.length)
      const posted = outcomes.flatMap((outcome) =>
        'posted' in outcome && !outcome.posted.replayed ? [outcome.posted] : [],
      )
      expect(posted.map(({ transaction }) => transaction)).toEqual(accepted)
    }),
  )
})

test('what a batch is told about balances is what they are right after each posting', () => {
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const { outcomes } = fold(batch, state)
      let now = state
      for (const outcome of outcomes) {
        if ('refusal' in outcome || outcome.posted.replayed) continue
        const { transaction, balancesAfter } = outcome.posted
        now = stateAfter(now, { accepted: [transaction] })
        const balanceOf = (account: AccountId | null) => (account === null ? null : now.heads.get(account)?.balance)
        expect(balancesAfter).toEqual({
          source: balanceOf(transaction.sourceAccountId),
          destination: balanceOf(transaction.destinationAccountId),
        })
      }
    }),
  )
})

describe('of several reasons to refuse', () => {
  const state = (
    balances: Partial<Record<string, bigint>>,
    recorded: LedgerState['recorded'] = new Map(),
  ): LedgerState => ({
    clock: CLOCK,
    accounts: open(Object.keys(balances).map(toAccountId)),
    heads: new Map(
      Object.entries(balances).map(([account, balance = 0n]) => [
        toAccountId(account),
        { sequence: 1, balance: toAmount(balance), createdAt: instantOf(1) },
      ]),
    ),
    recorded,
  })
  const judge = (posting: Partial<Posting>, over: LedgerState) => {
    const wish = {
      id: toTransactionId('new'),
      idempotencyKey: 'key',
      sourceAccountId: ADA,
      destinationAccountId: GRACE,
      amount: toAmount(10n),
    }
    const [outcome] = fold([{ ...wish, ...posting }], over).outcomes
    return outcome && 'refusal' in outcome ? outcome.refusal : outcome?.posted
  }
  const [earlier] = fold(
    [
      {
        id: toTransactionId('old'),
        idempotencyKey: 'key',
        sourceAccountId: null,
        destinationAccountId: ADA,
        amount: toAmount(7n),
      },
    ],
    state({ ada: 0n }),
  ).accepted
  const recorded = new Map([['key', earlier as NonNullable<typeof earlier>]])

  test('the key comes first: a conflict names all that differs, whoever is in it', () => {
    expect(judge({ sourceAccountId: NOBODY, destinationAccountId: NOBODY }, state({}, recorded))).toEqual({
      code: 'IDEMPOTENCY_CONFLICT',
      differingFields: ['kind', 'destinationAccountId', 'amount'],
      transaction: earlier,
    })
    expect(judge({ sourceAccountId: null, destinationAccountId: ADA }, state({}, recorded))).toMatchObject({
      differingFields: ['amount'],
    })
  })

  test('a replay is answered even where the posting would be refused by now', () => {
    const again = { sourceAccountId: null, destinationAccountId: ADA, amount: toAmount(7n) }
    expect(judge(again, state({}, recorded))).toEqual({ transaction: earlier, replayed: true })
    expect(judge({ ...again, id: toTransactionId('old') }, state({}, recorded))).toEqual({
      transaction: earlier,
      replayed: false,
    })
  })

  test('then one account on both sides, even where there is no such account', () => {
    expect(judge({ sourceAccountId: NOBODY, destinationAccountId: NOBODY }, state({}))).toEqual({
      code: 'SAME_ACCOUNT',
      accountId: NOBODY,
    })
  })

  test('then accounts that are not there, the source before the destination', () => {
    expect(judge({}, state({}))).toEqual({ code: 'ACCOUNT_NOT_FOUND', accountId: 'ada' })
    expect(judge({}, state({ ada: 0n }))).toEqual({ code: 'ACCOUNT_NOT_FOUND', accountId: 'grace' })
    expect(judge({ sourceAccountId: null }, state({ ada: 0n }))).toEqual({
      code: 'ACCOUNT_NOT_FOUND',
      accountId: 'grace',
    })
  })

  test('then funds, to the cent', () => {
    expect(judge({}, state({ ada: 9n, grace: AMOUNT_MAX }))).toEqual({
      code: 'INSUFFICIENT_FUNDS',
      accountId: 'ada',
      available: 9n,
      required: 10n,
      shortfall: 1n,
    })
    expect(judge({}, state({ ada: 10n, grace: 0n }))).toMatchObject({ balancesAfter: { source: 0n, destination: 10n } })
  })

  test('then the limit of 2^63-1, to the cent', () => {
    const full = { code: 'BALANCE_LIMIT', accountId: 'grace' }
    expect(judge({}, state({ ada: 10n, grace: AMOUNT_MAX - 9n }))).toEqual(full)
    expect(judge({}, state({ ada: 10n, grace: AMOUNT_MAX - 10n }))).toMatchObject({
      balancesAfter: { destination: 2n ** 63n - 1n },
    })
    expect(judge({ sourceAccountId: null, amount: AMOUNT_MAX }, state({ grace: 1n }))).toEqual(full)
    expect(judge({ sourceAccountId: null, amount: AMOUNT_MAX }, state({ grace: 0n }))).toMatchObject({
      balancesAfter: { source: null, destination: AMOUNT_MAX },
    })
  })
})
