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

  test('whose key was used for another is a conflict that names the fields of its input, each once', async () => {
    const [one, other] = [await pay(30), await pay(31)]
    const input = {
      idempotencyKey: randomUUID(),
      transactionId: one,
      amount: 5,
      description: 'Back',
      metadata: [{ key: 'why', value: 'broken' }],
    }
    await post('reverseTransaction', input, tokens.bert)
    const conflict = async (name: keyof typeof MUTATIONS, changed: Record<string, unknown>) => {
      const { code, differingFields } = await post(name, { idempotencyKey: input.idempotencyKey, ...changed })
      expect(code).toBe('IDEMPOTENCY_CONFLICT')
      return differingFields
    }
    expect(await conflict('reverseTransaction', { ...input, transactionId: other })).toEqual(['transactionId'])
    expect(await conflict('reverseTransaction', { transactionId: one, amount: 6 })).toEqual([
      'amount',
      'description',
      'metadata.why',
    ])
    // Another's accounts are other ones, and a deposit is of another kind, too.
    const { transaction: paidIn } = await post('deposit', { accountId: anna.accountId, amount: 5 })
    expect(await conflict('reverseTransaction', { ...input, transactionId: paidIn.id })).toEqual([
      'kind',
      'transactionId',
    ])
    const carl = await makePerson(server)
    const { transaction: paid } = await post('transfer', {
      sourceAccountId: anna.accountId,
      destinationAccountId: carl.accountId,
      amount: 5,
    })
    expect(await conflict('reverseTransaction', { ...input, transactionId: paid.id })).toEqual(['transactionId'])
    // The same money by a transfer is no reversal.
    const { transactionId: _, ...words } = input
    expect(
      await conflict('transfer', {
        ...words,
        sourceAccountId: bert.accountId,
        destinationAccountId: anna.accountId,
      }),
    ).toEqual(['transactionId'])
    // To those who may not use the key, it says nothing.
    expect(
      await post('reverseTransaction', { ...input, transactionId: paid.id }, await logIn(server, carl)),
    ).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', differingFields: [] })
  })

  test('that is sent again is a replay, also once the rest is reversed; another key is a second one', async () => {
    const transactionId = await pay(10)
    const first = { idempotencyKey: randomUUID(), transactionId, amount: 4 }
    const { transaction } = await post('reverseTransaction', first, tokens.bert)
    const second = await post('reverseTransaction', { ...first, idempotencyKey: randomUUID() }, tokens.bert)
    expect(second).toMatchObject({ replayed: false })
    expect(second.transaction.id).not.toBe(transaction.id)
    expect(await post('reverseTransaction', { transactionId, amount: 2 }, tokens.bert)).toMatchObject({
      replayed: false,
    })
    expect(await post('reverseTransaction', first, tokens.bert)).toMatchObject({
      replayed: true,
      transaction: { id: transaction.id },
      entry: { change: '-4' },
    })
    expect(await post('reverseTransaction', { ...first, idempotencyKey: randomUUID() }, tokens.bert)).toMatchObject({
      code: 'REVERSAL_EXCEEDS',
      remaining: '0',
    })
  })

  test('and its original in one call: only what is in the ledger before can be reversed', async () => {
    const transfer = {
      idempotencyKey: randomUUID(),
      sourceAccountId: anna.accountId,
      destinationAccountId: bert.accountId,
      amount: 10,
    }
    const { transaction } = await post('transfer', transfer)
    const { data } = await server.ask(
      `mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) {
        ... on PostTransactionsSuccess { results { ${COMMON} } } } }`,
      {
        input: {
          atomic: true,
          transactions: [
            { transfer },
            { reverseTransaction: { idempotencyKey: randomUUID(), transactionId: transaction.id, amount: 4 } },
            { reverseTransaction: { idempotencyKey: randomUUID(), transactionId: transaction.id, amount: 6 } },
          ],
        },
      },
    )
    expect(data.postTransactions.results).toMatchObject([
      { replayed: true, entry: { change: '-10' } },
      { replayed: false, entry: { change: '-4' } },
      { replayed: false, entry: { change: '-6' }, transaction: { reverses: { id: transaction.id } } },
    ])
  })

  test('is refused by the accounts as any posting is: closed, frozen, or without the funds', async () => {
    const [giver, receiver] = [await makePerson(server), await makePerson(server)]
    const token = await logIn(server, giver)
    const setStatus = async ({ accountId }: Person, status: string) => {
      const { data } = await server.ask(
        'mutation ($accountId: ID!, $status: AccountStatus!) { setAccountStatus(input: { accountId: $accountId, status: $status }) { __typename } }',
        { accountId, status },
      )
      expect(data.setAccountStatus.__typename).toBe('SetAccountStatusSuccess')
    }
    await post('deposit', { accountId: receiver.accountId, amount: 10 })
    const { transaction } = await post('transfer', {
      sourceAccountId: receiver.accountId,
      destinationAccountId: giver.accountId,
      amount: 10,
    })
    const input = { idempotencyKey: randomUUID(), transactionId: transaction.id }
    await setStatus(receiver, 'CLOSED')
    expect(await post('reverseTransaction', input, token)).toMatchObject({ code: 'ACCOUNT_CLOSED' })
    await setStatus(receiver, 'OPEN')
    await setStatus(giver, 'FROZEN')
    expect(await post('reverseTransaction', input, token)).toMatchObject({ code: 'ACCOUNT_FROZEN' })
    expect(await post('reverseTransaction', { ...input, ignoreFreeze: true }, token)).toMatchObject({
      fields: [{ path: 'input.ignoreFreeze' }],
    })
    expect(await post('withdraw', { accountId: giver.accountId, amount: 1 })).toMatchObject({ code: 'ACCOUNT_FROZEN' })
    // For operators: the payload is the same, so the key is, too.
    expect(await post('withdraw', { accountId: giver.accountId, amount: 3, ignoreFreeze: true })).toMatchObject({
      entry: { balanceAfter: '7' },
    })
    expect(await post('reverseTransaction', { ...input, ignoreFreeze: true })).toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      available: '7',
      shortfall: '3',
    })
    expect(await post('reverseTransaction', { ...input, amount: 7, ignoreFreeze: true })).toMatchObject({
      replayed: false,
      entry: { balanceAfter: '0' },
    })
    expect(await post('reverseTransaction', { ...input, amount: 7 }, token)).toMatchObject({ replayed: true })
  })

  test("of a house account's transfer is for whoever received it, and for operators", async () => {
    const { data } = await server.ask(
      'mutation ($key: UUID!) { createAccount(input: { idempotencyKey: $key }) { ... on CreateAccountSuccess { account { id } } } }',
      { key: randomUUID() },
    )
    const house = data.createAccount.account.id
    await post('deposit', { accountId: house, amount: 20 })
    const paid = { sourceAccountId: house, destinationAccountId: bert.accountId, amount: 8 }
    const { transaction } = await post('transfer', paid)
    expect(await post('reverseTransaction', { transactionId: transaction.id, amount: 3 }, tokens.bert)).toMatchObject({
      entry: { change: '-3' },
    })
    const received = await post('transfer', { sourceAccountId: bert.accountId, destinationAccountId: house, amount: 2 })
    expect(await post('reverseTransaction', { transactionId: received.transaction.id }, tokens.bert)).toMatchObject({
      reason: 'NOT_YOURS_TO_REVERSE',
    })
    expect(await post('reverseTransaction', { transactionId: received.transaction.id })).toMatchObject({
      entry: { change: '-2', balanceAfter: '15' },
    })
  })

  test('says how much is reversed by now, also between the mutations of one operation', async () => {
    const transactionId = await pay(10)
    const reverse = (
      name: string,
    ) => `${name}: reverseTransaction(input: { idempotencyKey: "${randomUUID()}", transactionId: "${transactionId}", amount: 2 }) {
      ... on PostingSuccess { transaction { reverses { reversedAmount reversals { totalCount } } } } }`
    const { data } = await server.ask(`mutation { ${reverse('one')} ${reverse('two')} }`)
    const said = (answer: typeof data) => {
      const { reversedAmount, reversals } = answer.transaction.reverses
      return [reversedAmount, reversals.totalCount]
    }
    expect([said(data.one), said(data.two)]).toEqual([
      ['2', 1],
      ['4', 2],
    ])
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

  test('of a filter name no key twice', async () => {
    const metadata = [
      { key: 'a', value: '1' },
      { key: 'a', value: '2' },
    ]
    const { errors } = await server.ask(
      'query ($filter: TransactionFilter) { transactions(filter: $filter) { totalCount } }',
      { filter: { metadata } },
    )
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', fields: [{ path: 'filter.metadata' }] })
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
