import { randomUUID } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { openStream } from '../support/graphql-transport.ts'
import { type Person, signUp } from '../support/rights.ts'
import { type Answer, useServer } from '../support/server.ts'

/* No field of an answer takes that of a committed posting with it, though its statement fails after the commit. */

const server = useServer()

let ada: Person
let grace: Person

beforeEach(async () => {
  ada = await signUp(server, 'ada')
  grace = await signUp(server, 'grace')
  await ask(`mutation { ${deposit(randomUUID(), 100)} }`)
})

const POSTED = `transaction { amount currency { code scale } formatted } replayed
  entry { change formatted transaction { currency { code } } }`
const deposit = (key: string, amount: number, selection = POSTED) =>
  `deposit(input: { idempotencyKey: "${key}", accountId: "${ada.id}", amount: ${amount} }) { ... on DepositSuccess { ${selection} } }`
const transferInput = (key: string, amount: number) =>
  `{ idempotencyKey: "${key}", sourceAccountId: "${ada.id}", destinationAccountId: "${grace.id}", amount: ${amount} }`

const ask = (query: string, person?: Person): Promise<Answer> =>
  person ? server.ask(query, {}, person.authorization) : server.ask(query)

/** Every statement that reads accounts with their currencies fails meanwhile. Postings read neither. */
async function withoutCurrencies(query: string, person?: Person, meanwhile?: () => Promise<void>): Promise<Answer> {
  await server.database.pool.query('alter table public.currencies rename to currencies_away')
  try {
    const answer = await ask(query, person)
    await meanwhile?.()
    return answer
  } finally {
    await server.database.pool.query('alter table public.currencies_away rename to currencies')
  }
}

const dollars = { code: 'USD', scale: 2 }

test('the currency of a transaction is known when it is posted, and when it is replayed', async () => {
  const [first, second] = [randomUUID(), randomUUID()]
  const query = `mutation { ${deposit(first, 150)}
    transfer(input: ${transferInput(second, 50)}) { ... on TransferSuccess { ${POSTED} } } }`
  for (const replayed of [false, true]) {
    const { data, errors } = await withoutCurrencies(query)
    expect(errors).toBeUndefined()
    expect(data).toEqual({
      deposit: {
        replayed,
        transaction: { amount: '150', currency: dollars, formatted: '$1.50' },
        entry: { change: '150', formatted: '$1.50', transaction: { currency: { code: 'USD' } } },
      },
      transfer: {
        replayed,
        transaction: { amount: '50', currency: dollars, formatted: '$0.50' },
        entry: { change: '-50', formatted: '-$0.50', transaction: { currency: { code: 'USD' } } },
      },
    })
  }
})

test('and of a withdrawal and a reversal, which have one side outside', async () => {
  const { data: posted } = await ask(`mutation { ${deposit(randomUUID(), 30, 'transaction { id }')} }`)
  const withdrawal = `withdraw(input: { idempotencyKey: "${randomUUID()}", accountId: "${ada.id}", amount: 20 }) {
    ... on WithdrawSuccess { ${POSTED} } }`
  const reversal = `reverseTransaction(input: { idempotencyKey: "${randomUUID()}", transactionId: "${posted.deposit.transaction.id}" }) {
    ... on ReverseTransactionSuccess { ${POSTED} } ... on Error { message } }`
  const { data } = await withoutCurrencies(`mutation { ${withdrawal} ${reversal} }`)
  expect(data).toMatchObject({
    withdraw: { replayed: false, transaction: { amount: '20', currency: dollars }, entry: { change: '-20' } },
    reverseTransaction: { replayed: false, transaction: { amount: '30', currency: dollars }, entry: { change: '-30' } },
  })
})

test.each([true, false])('and when several are posted in one call (atomic: %s)', async (atomic) => {
  const { data, errors } = await withoutCurrencies(
    `mutation { postTransactions(input: { atomic: ${atomic}, transactions: [
        { transfer: ${transferInput(randomUUID(), 10)} }, { transfer: ${transferInput(randomUUID(), 20)} }] }) {
      ... on PostTransactionsSuccess { results { ... on PostTransactionSuccess { ${POSTED} } } } } }`,
    ada,
  )
  expect(errors).toBeUndefined()
  expect(data.postTransactions.results).toMatchObject([
    { transaction: { amount: '10', currency: dollars } },
    { transaction: { amount: '20', currency: dollars } },
  ])
})

test('what cannot be read is null, and nothing else is', async () => {
  const selection = `transaction { amount destination { id publicName } } entry { balanceAfter account { status owner { email } } }`
  const { data, errors } = await withoutCurrencies(`mutation { ${deposit(randomUUID(), 1, selection)} }`)
  expect(data.deposit).toEqual({
    transaction: { amount: '1', destination: { id: ada.id.replace('user', 'account'), publicName: null } },
    entry: { balanceAfter: '101', account: { status: null, owner: null } },
  })
  expect(new Set(errors?.map(({ extensions }) => extensions.code))).toEqual(new Set(['UNAVAILABLE']))
})

test('an entry is delivered with its currency, whatever the account was called', async () => {
  const uuid = ada.id.slice('user_'.length)
  const spellings = [uuid, `account_${uuid}`, `user_${uuid}`, `ACCOUNT_${uuid.toUpperCase()}`]
  const query = `subscription ($id: ID!) { entryPosted(accountId: $id) {
    change formatted transaction { currency { code scale } formatted } } }`
  const streams = await Promise.all(spellings.map((id) => openStream(server.endpoint, { query, variables: { id } })))
  const event = { change: '7', formatted: '$0.07', transaction: { currency: dollars, formatted: '$0.07' } }
  await withoutCurrencies(`mutation { ${deposit(randomUUID(), 7)} }`, undefined, async () => {
    for (const stream of streams) expect((await stream.waitForEvent()).data).toEqual({ data: { entryPosted: event } })
  })
})

test.each(['JPY', null])(
  'a user is answered with by the statement that makes them (currency: %s)',
  async (currency) => {
    const { authorization } = await signUp(server, 'operator', 'OPERATOR')
    const profile = 'id email role createdAt updatedAt'
    const email = `${randomUUID()}@example.com`
    const create = (): Promise<Answer & { extensions?: { statementCount: number } }> =>
      server.ask(
        `mutation ($email: String!, $currency: String) {
        createUser(input: { email: $email, role: OPERATOR, currency: $currency }) {
          ... on CreateUserSuccess { user { ${profile} } } ... on EmailTakenError { code } } }`,
        { email, currency },
        { ...authorization, 'x-statement-count': '1' },
      )
    const count = async () => (await server.database.pool.query('select from accounts')).rowCount ?? 0
    const before = await count()
    const { data, extensions } = await create()
    expect(extensions?.statementCount).toBe(1)
    const { user } = data.createUser
    expect(user).toMatchObject({ email, role: 'OPERATOR' })
    const found = await ask(`{ user(email: "${email}") { ${profile} account { createdAt currency { code } } } }`)
    const account = { createdAt: user.createdAt, currency: { code: currency ?? 'USD' } }
    expect(found.data.user).toEqual({ ...user, account })
    expect((await create()).data.createUser).toEqual({ code: 'EMAIL_TAKEN' })
    expect(await count()).toBe(before + 1)
  },
)
