import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { useServer } from '../support/server.ts'
import { askWith, logIn, makePerson, type Person } from '../support/sign-in.ts'

const server = useServer()

const COMMON = `__typename
  ... on PostingSuccess { replayed entry { change balanceAfter } transaction {
    id kind amount description metadata { key value } source { id } destination { id } reverses { id } reversedAmount
  } }
  ... on IdempotencyConflictError { differingFields }
  ... on Error { code }`
const FIELDS = '... on ValidationError { fields { path message } }'
const FUNDS = '... on InsufficientFundsError { available shortfall }'
const REVERSAL = '... on ReversalExceedsError { remaining } ... on NotReversibleError { reason }'
const mutation = (name: string, input: string, more = '') =>
  `mutation ($input: ${input}!) { answer: ${name}(input: $input) { ${COMMON} ${FIELDS} ${more} } }`
const MUTATIONS = {
  deposit: mutation('deposit', 'DepositInput'),
  withdraw: mutation('withdraw', 'WithdrawInput', FUNDS),
  transfer: mutation('transfer', 'TransferInput', FUNDS),
  reverseTransaction: mutation('reverseTransaction', 'ReverseTransactionInput', `${FUNDS} ${REVERSAL}`),
}

async function post(name: keyof typeof MUTATIONS, input: Record<string, unknown>, token = server.token) {
  const { data, errors } = await askWith(server, token, MUTATIONS[name], {
    input: { idempotencyKey: randomUUID(), ...input },
  })
  return data?.answer ?? errors?.[0]?.extensions
}

const balanceOf = async (id: string) => {
  const { data } = await server.ask('query ($id: ID!) { account(id: $id) { balance { amount } } }', { id })
  return data.account.balance.amount
}

let anna: Person
let bert: Person
let tokens: { anna: string; bert: string }
beforeAll(async () => {
  anna = await makePerson(server)
  bert = await makePerson(server)
  tokens = { anna: await logIn(server, anna), bert: await logIn(server, bert) }
  await post('deposit', { accountId: anna.accountId, amount: 1_000 })
})

describe('a withdrawal', () => {
  test('takes money out, once, and says what it was for', async () => {
    const before = BigInt(await balanceOf(anna.accountId))
    const input = {
      idempotencyKey: randomUUID(),
      accountId: anna.accountId,
      amount: 30,
      currency: 'USD',
      description: 'Payout 17',
      metadata: [
        { key: 'payout', value: '17' },
        { key: 'bank', value: 'a' },
      ],
    }
    const posted = await post('withdraw', input)
    expect(posted).toMatchObject({
      __typename: 'WithdrawSuccess',
      replayed: false,
      entry: { change: '-30', balanceAfter: String(before - 30n) },
      transaction: {
        kind: 'WITHDRAWAL',
        amount: '30',
        description: 'Payout 17',
        metadata: [
          { key: 'bank', value: 'a' },
          { key: 'payout', value: '17' },
        ],
        source: { id: anna.accountId },
        destination: null,
        reverses: null,
        reversedAmount: '0',
      },
    })
    const shuffled = { ...input, metadata: input.metadata.toReversed() }
    expect(await post('withdraw', shuffled)).toMatchObject({ ...posted, replayed: true })
    expect(
      await post('withdraw', { ...input, description: 'payout 17', metadata: [{ key: 'payout', value: '18' }] }),
    ).toMatchObject({
      code: 'IDEMPOTENCY_CONFLICT',
      differingFields: ['description', 'metadata.bank', 'metadata.payout'],
    })
    expect(await balanceOf(anna.accountId)).toBe(String(before - 30n))
  })

  test('is for operators, and never overdraws', async () => {
    expect(await post('withdraw', { accountId: anna.accountId, amount: 1 }, tokens.anna)).toMatchObject({
      code: 'FORBIDDEN',
    })
    const available = await balanceOf(anna.accountId)
    expect(await post('withdraw', { accountId: anna.accountId, amount: `${BigInt(available) + 5n}` })).toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      available,
      shortfall: '5',
    })
  })

  test('counts in the totals: balances are deposits less withdrawals', async () => {
    const { data } = await server.ask('{ ledger { totals { deposited withdrawn balances } verification { sound } } }')
    for (const { deposited, withdrawn, balances } of data.ledger.totals)
      expect(BigInt(balances)).toBe(BigInt(deposited) - BigInt(withdrawn))
    expect(data.ledger.verification).toEqual({ sound: true })
  })
})

describe('a reversal', () => {
  const pay = async (amount: number) => {
    const { transaction } = await post(
      'transfer',
      { sourceAccountId: anna.accountId, destinationAccountId: bert.accountId, amount },
      tokens.anna,
    )
    return transaction.id as string
  }

  test('is a refund by whoever received it, in parts, up to the amount', async () => {
    const transactionId = await pay(100)
    const input = { idempotencyKey: randomUUID(), transactionId, amount: 60 }
    expect(await post('reverseTransaction', input, tokens.bert)).toMatchObject({
      __typename: 'ReverseTransactionSuccess',
      entry: { change: '-60' },
      transaction: {
        kind: 'TRANSFER',
        source: { id: bert.accountId },
        destination: { id: anna.accountId },
        reverses: { id: transactionId },
      },
    })
    expect(await post('reverseTransaction', input, tokens.bert)).toMatchObject({ replayed: true })
    expect(await post('reverseTransaction', { transactionId }, tokens.bert)).toMatchObject({
      code: 'REVERSAL_EXCEEDS',
      remaining: '40',
    })
    expect(await post('reverseTransaction', { transactionId, amount: 40 }, tokens.bert)).toMatchObject({
      replayed: false,
    })
    const { data } = await askWith(
      server,
      tokens.anna,
      `query ($id: ID!) { transaction(id: $id) { reversedAmount reversals(first: 1) {
        totalCount edges { node { amount reverses { id } } } pageInfo { hasNextPage endCursor } } } }`,
      { id: transactionId },
    )
    const { reversedAmount, reversals } = data.transaction
    expect([reversedAmount, reversals.totalCount, reversals.pageInfo.hasNextPage]).toEqual(['100', 2, true])
    expect(reversals.edges).toEqual([{ node: { amount: '40', reverses: { id: transactionId } } }])
    const next = await askWith(
      server,
      tokens.anna,
      'query ($id: ID!, $after: String) { transaction(id: $id) { reversals(after: $after) { edges { node { amount } } pageInfo { hasNextPage } } } }',
      { id: transactionId, after: reversals.pageInfo.endCursor },
    )
    expect(next.data.transaction.reversals).toEqual({
      edges: [{ node: { amount: '60' } }],
      pageInfo: { hasNextPage: false },
    })
  })

  test('is not for the payer, nor for a stranger, nor of a reversal', async () => {
    const transactionId = await pay(10)
    expect(await post('reverseTransaction', { transactionId }, tokens.anna)).toMatchObject({
      reason: 'NOT_YOURS_TO_REVERSE',
    })
    const stranger = await logIn(server, await makePerson(server))
    expect(await post('reverseTransaction', { transactionId }, stranger)).toMatchObject({
      code: 'TRANSACTION_NOT_FOUND',
    })
    expect(await post('reverseTransaction', { transactionId: randomUUID() })).toMatchObject({
      code: 'TRANSACTION_NOT_FOUND',
    })
    const { transaction } = await post('reverseTransaction', { transactionId })
    expect(await post('reverseTransaction', { transactionId: transaction.id })).toMatchObject({
      reason: 'IS_A_REVERSAL',
    })
  })

  test('of a deposit is a withdrawal, and of a withdrawal a deposit, for operators alone', async () => {
    const { transaction: deposit } = await post('deposit', { accountId: bert.accountId, amount: 7 })
    expect(await post('reverseTransaction', { transactionId: deposit.id }, tokens.bert)).toMatchObject({
      reason: 'NOT_YOURS_TO_REVERSE',
    })
    expect(await post('reverseTransaction', { transactionId: deposit.id })).toMatchObject({
      transaction: { kind: 'WITHDRAWAL', reverses: { id: deposit.id } },
      entry: { change: '-7' },
    })
    const { transaction: payout } = await post('withdraw', { accountId: anna.accountId, amount: 9 })
    expect(await post('reverseTransaction', { transactionId: payout.id })).toMatchObject({
      transaction: { kind: 'DEPOSIT', reverses: { id: payout.id } },
      entry: { change: '9' },
    })
  })

  test('is one of several postings, with what is wrong by its place', async () => {
    const transactionId = await pay(20)
    const { data } = await server.ask(
      `mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) {
        ... on PostTransactionsSuccess { results { ${COMMON} } } ... on PostingRefusedError { index reason { code } } ... on ValidationError { fields { path } } } }`,
      {
        input: {
          atomic: true,
          transactions: [
            { reverseTransaction: { idempotencyKey: randomUUID(), transactionId, amount: 15 } },
            { reverseTransaction: { idempotencyKey: randomUUID(), transactionId, amount: 15 } },
          ],
        },
      },
    )
    expect(data.postTransactions).toEqual({ index: 1, reason: { code: 'REVERSAL_EXCEEDS' } })
    // The first was undone with it.
    expect(await post('reverseTransaction', { transactionId, amount: 20 })).toMatchObject({ replayed: false })
  })
})

describe('words', () => {
  test.each([
    ['an empty description', { description: '' }, 'input.description'],
    ['one of 501 characters', { description: '😀'.repeat(501) }, 'input.description'],
    ['one with NUL', { description: 'a\u0000b' }, 'input.description'],
    ['one with half a surrogate pair', { description: '\ud83d' }, 'input.description'],
    ['a key of another alphabet', { metadata: [{ key: 'ключ', value: 'a' }] }, 'input.metadata.0.key'],
    ['the key __proto__', { metadata: [{ key: '__proto__', value: 'a' }] }, 'input.metadata.0.key'],
    [
      'a key twice',
      {
        metadata: [
          { key: 'a', value: '1' },
          { key: 'a', value: '2' },
        ],
      },
      'input.metadata.1.key',
    ],
    ['an empty value', { metadata: [{ key: 'a', value: '' }] }, 'input.metadata.0.value'],
    ['21 keys', { metadata: Array.from({ length: 21 }, (_, at) => ({ key: `k${at}`, value: 'a' })) }, 'input.metadata'],
  ])('%s is refused by its field', async (_what, words, path) => {
    const answer = await post('deposit', { accountId: anna.accountId, amount: 1, ...words })
    expect(answer).toMatchObject({ __typename: 'ValidationError', fields: [{ path }] })
  })

  test('may have lines, and are found by their filters', async () => {
    const order = randomUUID()
    const words = { description: 'Two lines:\nof Rent', metadata: [{ key: 'order', value: order }] }
    const { transaction } = await post('deposit', { accountId: bert.accountId, amount: 3, ...words })
    await post('deposit', { accountId: bert.accountId, amount: 4 })
    expect(transaction).toMatchObject(words)
    const filters = [
      { metadata: [{ key: 'order', value: order }] },
      { descriptionContains: 'LINES:\nof rent' },
      { metadata: [{ key: 'order', value: order }], descriptionContains: 'two', reversal: false, kind: 'DEPOSIT' },
    ]
    for (const filter of filters) {
      const { data } = await server.ask(
        `query ($id: ID!, $ofAccount: LedgerEntryFilter, $ofLedger: TransactionFilter) {
          account(id: $id) { transactions(filter: $ofAccount) { totalCount edges { node { id } } } }
          transactions(filter: $ofLedger) { totalCount edges { node { id } } }
        }`,
        { id: bert.accountId, ofAccount: filter, ofLedger: filter },
      )
      const found = { totalCount: 1, edges: [{ node: { id: transaction.id } }] }
      expect([data.account.transactions, data.transactions]).toEqual([found, found])
    }
  })
})
