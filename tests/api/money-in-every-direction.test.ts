import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { openStream } from '../support/graphql-transport.ts'
import { signInOperator } from '../support/operator.ts'
import { useServer } from '../support/server.ts'
import { askWith, logIn, makePerson, type Person } from '../support/sign-in.ts'

/* Who sees withdrawals, reversals and what was written on them: in answers, in failed attempts, live, and with tokens. */

const server = useServer()
const INPUTS = {
  deposit: 'DepositInput',
  withdraw: 'WithdrawInput',
  transfer: 'TransferInput',
  reverseTransaction: 'ReverseTransactionInput',
}

async function post(name: keyof typeof INPUTS, input: Record<string, unknown>, token = server.token) {
  const { data, errors } = await askWith(
    server,
    token,
    `mutation ($input: ${INPUTS[name]}!) { answer: ${name}(input: $input) {
      __typename ... on Error { code } ... on PostingSuccess { replayed transaction { id } entry { cursor balanceAfter } } } }`,
    { input: { idempotencyKey: randomUUID(), ...input } },
  )
  return data?.answer ?? errors?.[0]?.extensions
}

let anna: Person
let bert: Person
let tokens: { anna: string; bert: string; stranger: string }
beforeAll(async () => {
  anna = await makePerson(server)
  bert = await makePerson(server)
  const stranger = await logIn(server, await makePerson(server))
  tokens = { anna: await logIn(server, anna), bert: await logIn(server, bert), stranger }
  for (const { accountId } of [anna, bert]) await post('deposit', { accountId, amount: 1_000 })
})

const pay = async (amount: number, words: Record<string, unknown> = {}) => {
  const sides = { sourceAccountId: anna.accountId, destinationAccountId: bert.accountId }
  const { transaction } = await post('transfer', { ...sides, amount, ...words }, tokens.anna)
  return transaction.id as string
}

describe('of a transaction', () => {
  const TRANSACTION = `query ($id: ID!) { transaction(id: $id) {
    idempotencyKey description metadata { key value } reversedAmount
    reverses { id } reversals { totalCount edges { node { id description idempotencyKey } } } } }`
  const seenBy = async (token: string, id: string) =>
    (await askWith(server, token, TRANSACTION, { id })).data.transaction

  test('both sides see the words and the reversals, and each key is seen by whoever paid', async () => {
    const metadata = [{ key: 'order', value: '17' }]
    const id = await pay(10, { description: 'For the book', metadata })
    const refund = { transactionId: id, amount: 4, description: 'It was torn' }
    const { transaction } = await post('reverseTransaction', refund, tokens.bert)
    const reversal = { id: transaction.id, description: 'It was torn' }
    const both = { description: 'For the book', metadata, reversedAmount: '4', reverses: null }
    const [payer, payee] = [await seenBy(tokens.anna, id), await seenBy(tokens.bert, id)]
    expect(payer).toMatchObject({ ...both, reversals: { totalCount: 1, edges: [{ node: reversal }] } })
    expect(payee).toMatchObject({ ...both, reversals: { totalCount: 1, edges: [{ node: reversal }] } })
    expect([payer.idempotencyKey === null, payee.idempotencyKey === null]).toEqual([false, true])
    // The one who gives it back pays the reversal.
    const keys = [payer, payee].map(({ reversals }) => reversals.edges[0].node.idempotencyKey)
    expect([keys[0] === null, keys[1] === null]).toEqual([true, false])
    for (const token of [tokens.anna, tokens.bert])
      expect(await seenBy(token, transaction.id)).toMatchObject({ reverses: { id } })
    for (const hidden of [id, transaction.id]) expect(await seenBy(tokens.stranger, hidden)).toBeNull()
  })

  test('that came in or went out, holders see all but the key', async () => {
    for (const name of ['deposit', 'withdraw'] as const) {
      const made = await post(name, { accountId: anna.accountId, amount: 5, description: 'By the bank' })
      const { transaction } = await post('reverseTransaction', { transactionId: made.transaction.id, amount: 2 })
      const seen = await seenBy(tokens.anna, made.transaction.id)
      expect(seen).toMatchObject({ idempotencyKey: null, description: 'By the bank', reversedAmount: '2' })
      expect(seen.reversals.edges).toEqual([{ node: { id: transaction.id, description: null, idempotencyKey: null } }])
      expect(await seenBy(tokens.bert, made.transaction.id)).toBeNull()
      const operator = await seenBy(server.token, made.transaction.id)
      expect(operator.idempotencyKey).not.toBeNull()
      expect(operator.reversals.edges[0].node.idempotencyKey).not.toBeNull()
    }
  })

  test('that came in or went out, a key is found by operators alone', async () => {
    const idempotencyKey = randomUUID()
    await post('withdraw', { idempotencyKey, accountId: anna.accountId, amount: 1 })
    const query = 'query ($idempotencyKey: UUID!) { transaction(idempotencyKey: $idempotencyKey) { kind } }'
    expect((await askWith(server, tokens.anna, query, { idempotencyKey })).data.transaction).toBeNull()
    expect((await askWith(server, server.token, query, { idempotencyKey })).data.transaction).toEqual({
      kind: 'WITHDRAWAL',
    })
  })
})

test('a page of words costs what it may carry: no operation answers with many megabytes of them', async () => {
  const words = (fields: string) =>
    `query ($id: ID!) { account(id: $id) { transactions(first: 100) { edges { node { ${fields} } } } } }`
  const ask = (fields: string) => askWith(server, tokens.anna, words(fields), { id: anna.accountId })
  expect((await ask('id kind amount description metadata { key value }')).errors).toBeUndefined()
  const codeOf = async (fields: string) => (await ask(fields)).errors?.[0]?.extensions.code
  const reversals = (field: string) => `reversals(first: 100) { edges { node { ${field} } } }`
  expect(await codeOf(reversals('kind'))).toBeUndefined()
  expect(await codeOf(reversals('description'))).toBe('TOO_COSTLY')
  expect(await codeOf('a: metadata { value } b: metadata { value } c: metadata { value }')).toBeUndefined()
  expect(await codeOf(reversals('metadata { key }'))).toBe('TOO_COSTLY')
})

describe('failed attempts', () => {
  const LIST = `query ($accountId: ID!) { failedTransactions(filter: { accountId: $accountId }) { edges { node {
    id code amount source { id } destination { id } currency { code } idempotencyKey } } } }`
  const listed = async (token: string, { accountId }: Person) => {
    const { data } = await askWith(server, token, LIST, { accountId })
    return data.failedTransactions.edges.map(({ node }: { node: unknown }) => node)
  }

  test('of withdrawals and of reversals of deposits are for operators, those of refunds for the giver', async () => {
    const giver = await makePerson(server)
    const token = await logIn(server, giver)
    const { transaction: paidIn } = await post('deposit', { accountId: giver.accountId, amount: 5 })
    const sides = { sourceAccountId: anna.accountId, destinationAccountId: giver.accountId }
    const { transaction: paid } = await post('transfer', { ...sides, amount: 3 })
    await post('transfer', { sourceAccountId: giver.accountId, destinationAccountId: anna.accountId, amount: 8 }, token)
    const failed = [
      await post('withdraw', { accountId: giver.accountId, amount: 7 }),
      await post('reverseTransaction', { transactionId: paidIn.id, amount: 4 }),
      await post('reverseTransaction', { transactionId: paid.id, amount: 2 }, token),
      await post('reverseTransaction', { transactionId: paid.id, amount: 9 }, token),
    ]
    expect(failed.map(({ code }) => code)).toEqual([
      'INSUFFICIENT_FUNDS',
      'INSUFFICIENT_FUNDS',
      'INSUFFICIENT_FUNDS',
      'REVERSAL_EXCEEDS',
    ])
    await vi.waitFor(async () => expect(await listed(server.token, giver)).toHaveLength(4))
    const source = { id: giver.accountId }
    const currency = { code: 'USD' }
    const refunds = [
      { code: 'REVERSAL_EXCEEDS', amount: '9', source, destination: { id: anna.accountId }, currency },
      { code: 'INSUFFICIENT_FUNDS', amount: '2', source, destination: { id: anna.accountId }, currency },
    ]
    expect(await listed(server.token, giver)).toMatchObject([
      ...refunds,
      { amount: '4', source, destination: null, currency },
      { amount: '7', source, destination: null, currency },
    ])
    expect(await listed(token, giver)).toMatchObject(refunds)
    // Who would have had it back does not see them.
    expect(await listed(tokens.anna, giver)).toEqual([])
    const ids = (await listed(server.token, giver)).map(({ id }: { id: string }) => id)
    const { data } = await askWith(server, token, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })
    expect(data.nodes.map((node: unknown) => node !== null)).toEqual([true, true, false, false])
  })
})

describe('live', () => {
  test('money that leaves has no destination and no counterparty, and brings its words', async () => {
    const holder = await makePerson(server)
    const token = await logIn(server, holder)
    const { entry } = await post('deposit', { accountId: holder.accountId, amount: 50 })
    const FIELDS = `kind amount description metadata { key value } source { id } destination { id } currency { code } reverses { id } reversedAmount`
    const entries = await openStream(
      server.endpoint,
      {
        query: `subscription ($id: ID!, $since: String) { entryPosted(accountId: $id, since: $since) {
          change direction counterparty { id } formatted transaction { ${FIELDS} } } }`,
        variables: { id: holder.accountId, since: entry.cursor },
      },
      token,
    )
    const feed = await openStream(server.endpoint, {
      query: `subscription { transactionPosted { transaction { ${FIELDS} } } }`,
    })
    const metadata = [{ key: 'payout', value: '9' }]
    const words = { description: 'Payout 9\nto the bank', metadata }
    const { transaction } = await post('withdraw', { accountId: holder.accountId, amount: 20, ...words })
    await post('reverseTransaction', { transactionId: transaction.id, amount: 15, description: 'It came back' })
    const account = { id: holder.accountId }
    const currency = { code: 'USD' }
    const withdrawal = { kind: 'WITHDRAWAL', amount: '20', source: account, destination: null, currency, ...words }
    const reversal = {
      kind: 'DEPOSIT',
      amount: '15',
      source: null,
      destination: account,
      currency,
      description: 'It came back',
      metadata: [],
      reverses: { id: transaction.id },
      reversedAmount: '0',
    }
    expect((await entries.waitForEvent()).data).toMatchObject({
      data: {
        entryPosted: {
          change: '-20',
          direction: 'DEBIT',
          counterparty: null,
          formatted: '-$0.20',
          transaction: withdrawal,
        },
      },
    })
    expect((await entries.waitForEvent()).data).toMatchObject({
      data: { entryPosted: { change: '15', direction: 'CREDIT', counterparty: null, transaction: reversal } },
    })
    const events = [await feed.waitForEvent(), await feed.waitForEvent()]
    expect(events.map(({ data }) => data?.data.transactionPosted.transaction)).toMatchObject([withdrawal, reversal])
  })
})

describe("an operator's token for some accounts", () => {
  test('takes money out of these and takes their deposits back, and of no others', async () => {
    const operator = await signInOperator(server.database)
    const created = await askWith(
      server,
      operator,
      `mutation ($accountIds: [ID!]!) { createApiToken(input: { name: "payouts", role: OPERATOR, accountIds: $accountIds }) {
        ... on CreateApiTokenSuccess { token } } }`,
      { accountIds: [anna.accountId] },
    )
    const { token } = created.data.createApiToken
    const [own, other] = await Promise.all(
      [anna, bert].map(async ({ accountId }) => (await post('deposit', { accountId, amount: 9 })).transaction.id),
    )
    const withdraw = ({ accountId }: Person) => post('withdraw', { accountId, amount: 2 }, token)
    const reverse = (transactionId: string) => post('reverseTransaction', { transactionId, amount: 3 }, token)
    expect(await withdraw(anna)).toMatchObject({ replayed: false })
    expect(await withdraw(bert)).toMatchObject({ code: 'ACCOUNT_NOT_FOUND' })
    expect(await reverse(own)).toMatchObject({ replayed: false })
    expect(await reverse(other)).toMatchObject({ code: 'TRANSACTION_NOT_FOUND' })
    const { transaction: payout } = await post('withdraw', { accountId: anna.accountId, amount: 3 })
    expect(await reverse(payout.id)).toMatchObject({ replayed: false })
    // It received nothing of this: whoever did gives it back.
    expect(await reverse(await pay(5))).toMatchObject({ code: 'NOT_REVERSIBLE' })
    const sides = { sourceAccountId: bert.accountId, destinationAccountId: anna.accountId }
    const { transaction: received } = await post('transfer', { ...sides, amount: 5 })
    expect(await reverse(received.id)).toMatchObject({ replayed: false })
    // That it is not for tokens is said by the field.
    const frozen = await post('withdraw', { accountId: anna.accountId, amount: 1, ignoreFreeze: true }, token)
    expect(frozen).toMatchObject({ code: 'VALIDATION' })
    const user = await askWith(
      server,
      operator,
      `mutation ($accountIds: [ID!]!) { createApiToken(input: { name: "shop", role: USER, accountIds: $accountIds }) {
        ... on CreateApiTokenSuccess { token } } }`,
      { accountIds: [anna.accountId] },
    )
    const shop = user.data.createApiToken.token
    expect(await post('withdraw', { accountId: anna.accountId, amount: 1 }, shop)).toMatchObject({ code: 'FORBIDDEN' })
    expect(await post('reverseTransaction', { transactionId: own, amount: 1 }, shop)).toMatchObject({
      code: 'NOT_REVERSIBLE',
    })
    expect(await post('reverseTransaction', { transactionId: received.id, amount: 1 }, shop)).toMatchObject({
      replayed: false,
    })
  })
})
