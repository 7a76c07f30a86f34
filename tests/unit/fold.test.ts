import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toAccountId, toTransactionId } from '../../src/db/ids.ts'
import { instantOf, microsecondsOf } from '../../src/db/instant.ts'
import type { Head } from '../../src/ledger/model/head.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import type { Outcome, Posting } from '../../src/ledger/model/posting.ts'
import { fold as foldCalls, type LedgerState, type LockedAccount } from '../../src/ledger/posting/fold.ts'

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
      currency: fc.constantFrom(undefined, null, null, null, 'USD', 'EUR'),
      ignoreFreeze: fc.constantFrom(undefined, false, true),
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

const locked = fc.record<LockedAccount>({
  status: fc.constantFrom('OPEN', 'OPEN', 'OPEN', 'FROZEN', 'CLOSED'),
  currency: fc.constantFrom('USD', 'USD', 'USD', 'EUR'),
})

const states = fc
  .tuple(fc.tuple(heads, heads, heads), fc.tuple(locked, locked, locked))
  .map(([all, accounts]): LedgerState => {
    const toHead = ({ sequence, balance, aheadUs }: (typeof all)[number]): Head =>
      sequence === 0
        ? { sequence, balance: toAmount(0n), createdAt: null }
        : { sequence, balance: toAmount(balance), createdAt: instantOf(CLOCK + aheadUs) }
    return {
      clock: CLOCK,
      accounts: new Map(ACCOUNTS.map((account, index) => [account, accounts[index] as LockedAccount])),
      heads: new Map(ACCOUNTS.map((account, index) => [account, toHead(all[index] as (typeof all)[number])])),
      reversed: new Map(),
      recorded: new Map(),
    }
  })

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
    if (destinationAccountId !== null && destinationSequence !== null) {
      const { balance } = after.get(destinationAccountId) as Head
      after.set(destinationAccountId, { sequence: destinationSequence, balance: toAmount(balance + amount), createdAt })
    }
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

test('money is conserved in each currency, and no balance is ever negative or past the limit', () => {
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const { accepted } = fold(batch, state)
      const currencyOf = (id: AccountId) => state.accounts.get(id)?.currency
      for (const currency of ['USD', 'EUR']) {
        const sum = ({ heads }: LedgerState) =>
          [...heads].reduce((total, [id, { balance }]) => total + (currencyOf(id) === currency ? balance : 0n), 0n)
        const deposited = accepted
          .filter(
            ({ sourceAccountId, destinationAccountId }) =>
              sourceAccountId === null &&
              destinationAccountId !== null &&
              currencyOf(destinationAccountId) === currency,
          )
          .reduce((total, { amount }) => total + amount, 0n)
        expect(sum(stateAfter(state, { accepted }))).toBe(sum(state) + deposited)
      }
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

test('nothing goes out of a frozen account but what ignores it, nothing moves at a closed one, nor between currencies', () => {
  const seen = { ignored: 0, into: 0 }
  fc.assert(
    fc.property(states, postings, (state, batch) => {
      const { accepted } = fold(batch, state)
      const byId = new Map(batch.map((posting) => [posting.id, posting]))
      for (const { id, sourceAccountId, destinationAccountId } of accepted) {
        const posting = byId.get(id)
        const source = sourceAccountId === null ? undefined : state.accounts.get(sourceAccountId)
        const destination = state.accounts.get(destinationAccountId as AccountId) as LockedAccount
        expect([source?.status, destination.status]).not.toContain('CLOSED')
        if (source?.status === 'FROZEN') {
          expect(posting?.ignoreFreeze).toBe(true)
          seen.ignored++
        }
        if (destination.status === 'FROZEN') seen.into++
        expect(source?.currency ?? destination.currency).toBe(destination.currency)
        expect(posting?.currency ?? destination.currency).toBe(destination.currency)
      }
    }),
    { numRuns: 500 },
  )
  expect(seen.ignored).toBeGreaterThan(0)
  expect(seen.into).toBeGreaterThan(0)
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
    accounts: Partial<Record<string, Partial<LockedAccount>>> = {},
  ): LedgerState => ({
    clock: CLOCK,
    accounts: new Map(
      Object.keys(balances).map((id) => [toAccountId(id), { status: 'OPEN', currency: 'USD', ...accounts[id] }]),
    ),
    reversed: new Map(),
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

  test('a conflict names the currency if that of the first posting was another one, and says nothing of it otherwise', () => {
    const [paid] = fold(
      [
        {
          id: toTransactionId('old'),
          idempotencyKey: 'key',
          sourceAccountId: ADA,
          destinationAccountId: GRACE,
          amount: toAmount(7n),
        },
      ],
      state({ ada: 7n, grace: 0n }),
    ).accepted
    const known = new Map([['key', paid as NonNullable<typeof paid>]])
    const over = state({ ada: 0n, grace: 7n, linus: 0n }, known, { linus: { currency: 'EUR' } })
    const same = { sourceAccountId: ADA, destinationAccountId: GRACE, amount: toAmount(7n) }
    const refusalOf = (posting: Partial<Posting>) => judge({ ...same, ...posting }, over)
    expect(refusalOf({ currency: 'EUR' })).toMatchObject({ differingFields: ['currency'] })
    const toLinus = { destinationAccountId: LINUS }
    expect(refusalOf({ ...toLinus, currency: 'USD' })).toMatchObject({ differingFields: ['destinationAccountId'] })
    expect(refusalOf({ ...toLinus, currency: 'EUR' })).toMatchObject({
      differingFields: ['destinationAccountId', 'currency'],
    })
    expect(refusalOf({ ...toLinus, sourceAccountId: GRACE, currency: 'EUR' })).toMatchObject({
      differingFields: ['sourceAccountId', 'destinationAccountId'],
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

  const having = (accounts: Partial<Record<string, Partial<LockedAccount>>>) =>
    state({ ada: 0n, grace: AMOUNT_MAX }, new Map(), accounts)
  const closed = (accountId: string) => ({ code: 'ACCOUNT_CLOSED', accountId })

  test('then the status, that of the source before that of the destination', () => {
    const euros = { currency: 'EUR' }
    expect(judge({}, having({ ada: { ...euros, status: 'CLOSED' }, grace: { status: 'CLOSED' } }))).toEqual(
      closed('ada'),
    )
    const frozen = having({ ada: { ...euros, status: 'FROZEN' }, grace: { status: 'CLOSED' } })
    expect(judge({}, frozen)).toEqual({ code: 'ACCOUNT_FROZEN', accountId: 'ada' })
    expect(judge({ ignoreFreeze: true }, frozen)).toEqual(closed('grace'))
    expect(judge({ ignoreFreeze: true }, having({ ada: { status: 'CLOSED' } }))).toEqual(closed('ada'))
    expect(judge({ sourceAccountId: null }, frozen)).toEqual(closed('grace'))
    expect(judge({}, having({ ada: euros, grace: { status: 'CLOSED' } }))).toEqual(closed('grace'))
  })

  test('then the currency: that of both accounts, and of the input where it says one', () => {
    const mismatch = { code: 'CURRENCY_MISMATCH' }
    expect(judge({}, having({ ada: { currency: 'EUR' } }))).toEqual(mismatch)
    expect(judge({ ignoreFreeze: true }, having({ ada: { currency: 'EUR', status: 'FROZEN' } }))).toEqual(mismatch)
    expect(judge({ currency: 'EUR' }, having({}))).toEqual(mismatch)
    expect(judge({ currency: 'usd' }, having({}))).toEqual(mismatch)
    expect(judge({ currency: 'EUR', sourceAccountId: null }, having({}))).toEqual(mismatch)
    expect(judge({ currency: 'USD' }, having({}))).toMatchObject({ code: 'INSUFFICIENT_FUNDS' })
    expect(judge({ currency: 'USD', sourceAccountId: null }, having({}))).toMatchObject({ code: 'BALANCE_LIMIT' })
  })

  test('a repeat in another currency is a conflict, one that treats a freeze differently is a replay', () => {
    const again = { sourceAccountId: null, destinationAccountId: ADA, amount: toAmount(7n) }
    const frozen = state({ ada: 7n }, recorded, { ada: { status: 'FROZEN' } })
    expect(judge({ ...again, currency: 'USD', ignoreFreeze: true }, frozen)).toEqual({
      transaction: earlier,
      replayed: true,
      currency: 'USD',
    })
    expect(judge({ ...again, currency: 'EUR' }, frozen)).toEqual({
      code: 'IDEMPOTENCY_CONFLICT',
      differingFields: ['currency'],
      transaction: earlier,
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
