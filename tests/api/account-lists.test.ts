import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { type AccountId, accountOfUser } from '../../src/db/ids.ts'
import { deposit } from '../support/faults.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'
import { type Person, signUp } from '../support/rights.ts'
import type { Answer } from '../support/server.ts'

/* Lists of accounts: what is in them, in which order, and what a page of many costs. */

const { ledger, server } = useLedgerAndServer()

const CURRENCIES = ['EUR', 'JPY', 'KWD', 'USD', 'GBP', 'CHF', 'SEK', 'NOK', 'DKK']
/** Fifty users with ten accounts each. No test makes another user who is not signed in. */
const owners: { id: string; accounts: AccountId[] }[] = []
let ada: Person

beforeAll(async () => {
  for (let index = 0; index < 50; index++) {
    const user = await ledger.users.create({ email: `${randomUUID()}@example.com`, passwordHash: null, role: 'USER' })
    const { id } = user as { id: string }
    const accounts = [accountOfUser(id)]
    for (const currency of CURRENCIES) {
      const made = await ledger.accounts.create({ idempotencyKey: randomUUID(), ownerId: id, currency, name: currency })
      if ('account' in made) accounts.push(made.account.id)
    }
    owners.push({ id, accounts })
  }
  await Promise.all(
    owners.flatMap(({ accounts }) =>
      accounts.map((account, index) => ledger.posting.post(deposit(account, BigInt(index + 1)))),
    ),
  )
  ada = await signUp(server, 'ada')
  for (const status of ['OPEN', 'FROZEN', 'CLOSED'] as const) {
    const ownerId = ada.id.slice('user_'.length)
    const made = await ledger.accounts.create({ idempotencyKey: randomUUID(), ownerId, currency: 'EUR', name: status })
    if ('account' in made) await ledger.accounts.setStatus(made.account.id, status)
  }
})

async function count(query: string) {
  const headers = { ...server.authorization, 'x-statement-count': '1' }
  const answer = (await server.ask(query, {}, headers)) as Answer & { extensions: { statementCount: number } }
  expect(answer.errors).toBeUndefined()
  return { statements: answer.extensions.statementCount, data: answer.data }
}

describe('a page of users with ten accounts each', () => {
  const page = (size: number, ofAccount: string) =>
    `{ users(first: ${size}) { edges { node { id email accounts(first: 10) { edges { node { ${ofAccount} } } } } } } }`
  const DASHBOARD = 'id name currency { code scale } status balance { amount formatted }'

  test("costs a constant number of statements, with all balances, and is within an operator's cost", async () => {
    // Users and what is around their page, the pages of accounts, and balances.
    for (const size of [2, 20, 50]) {
      const { statements, data } = await count(page(size, DASHBOARD))
      expect(data.users.edges).toHaveLength(size)
      expect(statements).toBe(4)
    }
    const { data } = await count(page(50, DASHBOARD))
    const listed = data.users.edges.flatMap(
      (edge: { node: { accounts: { edges: object[] } } }) => edge.node.accounts.edges,
    )
    expect(listed.length).toBeGreaterThan(470)
  })

  test('costs little more with owners, counts and entries', async () => {
    const query = (size: number) =>
      `{ users(first: ${size}) { edges { node { account { publicName } accounts(first: 10) { totalCount edges { node {
        ${DASHBOARD} owner { email } transactions(first: 1) { edges { formatted transaction { currency { code } } } } } } } } } } }`
    const [two, fifty] = [await count(query(2)), await count(query(50))]
    expect(fifty.statements).toBe(two.statements)
    expect(fifty.statements).toBeLessThanOrEqual(9)
  })

  test('has the accounts of each owner, newest first, and their own balances', async () => {
    for (const { id, accounts } of owners.slice(0, 5)) {
      const { data } = await count(`{ user(id: "${id}") { accounts { edges { node { id balance { amount } } } } } }`)
      const nodes = data.user.accounts.edges.map((edge: { node: object }) => edge.node)
      const expected = accounts.map((account, index) => ({
        id: `account_${account}`,
        balance: { amount: String(index + 1) },
      }))
      expect(nodes).toEqual(expected.reverse())
    }
  })
})

describe('User.accounts', () => {
  test('is paged both ways, and says what is around a page', async () => {
    const { id, accounts } = owners[7] as (typeof owners)[number]
    const ids = accounts.map((account) => `account_${account}`).reverse()
    const page = async (range: string) => {
      const { data } = await count(
        `{ user(id: "${id}") { accounts(${range}) { totalCount edges { node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`,
      )
      const { edges, pageInfo, totalCount } = data.user.accounts
      expect(totalCount).toBe(10)
      return { ids: edges.map((edge: { node: { id: string } }) => edge.node.id), ...pageInfo }
    }
    const first = await page('first: 4')
    expect(first).toMatchObject({ ids: ids.slice(0, 4), hasNextPage: true, hasPreviousPage: false })
    const next = await page(`first: 4, after: "${first.endCursor}"`)
    expect(next).toMatchObject({ ids: ids.slice(4, 8), hasNextPage: true, hasPreviousPage: true })
    const back = await page(`last: 2, before: "${next.startCursor}"`)
    expect(back).toMatchObject({ ids: ids.slice(2, 4), hasNextPage: true, hasPreviousPage: true })
    const last = await page('last: 1')
    expect(last).toMatchObject({ ids: ids.slice(9), hasNextPage: false, hasPreviousPage: true })
  })

  test('refuses cursors of other lists', async () => {
    const { data } = await count('{ users(first: 1) { edges { cursor } } }')
    const [{ cursor }] = data.users.edges
    const { errors } = await server.ask(
      `{ viewer { accounts(after: "${cursor}") { totalCount } } }`,
      {},
      ada.authorization,
    )
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'after' }] } }])
  })

  test('lists for a service those that its token is for', async () => {
    const { id, accounts } = owners[3] as (typeof owners)[number]
    const [main, second, third] = accounts.map((account) => `account_${account}`)
    const operator = await signUp(server, 'operator', 'OPERATOR')
    const made = await server.ask(
      `mutation ($ids: [ID!]) { createApiToken(input: { name: "a", role: USER, accountIds: $ids }) {
        ... on CreateApiTokenSuccess { token apiToken { accounts { id } } } } }`,
      { ids: [second, third] },
      operator.authorization,
    )
    const { token, apiToken } = made.data.createApiToken
    expect(apiToken.accounts).toEqual([{ id: second }, { id: third }])
    const { data, errors } = await server.ask(
      `{ account(id: "${second}") { owner { id email role account { id } accounts { totalCount edges { node { id } } } } }
        main: account(id: "${main}") { id } user(id: "${id}") { id } viewer { id } accounts { edges { node { id } } } }`,
      {},
      { authorization: `Bearer ${token}` },
    )
    expect(errors).toBeUndefined()
    expect(data).toEqual({
      account: {
        owner: {
          id: `user_${id}`,
          email: null,
          role: null,
          account: null,
          accounts: { totalCount: 2, edges: [{ node: { id: third } }, { node: { id: second } }] },
        },
      },
      main: null,
      user: null,
      viewer: null,
      accounts: { edges: [{ node: { id: third } }, { node: { id: second } }] },
    })
  })

  test('createApiToken takes ids of accounts alone, so that nobody takes it for a token for all of a user', async () => {
    const operator = await signUp(server, 'operator', 'OPERATOR')
    const create = async (ids: string[]) => {
      const { data } = await server.ask(
        `mutation ($ids: [ID!]) { createApiToken(input: { name: "a", role: USER, accountIds: $ids }) {
          __typename ... on ValidationError { fields { path } } } }`,
        { ids },
        operator.authorization,
      )
      return data.createApiToken
    }
    const uuid = ada.id.slice('user_'.length)
    for (const id of [ada.id, uuid])
      expect(await create([id])).toEqual({ __typename: 'ValidationError', fields: [{ path: 'input.accountIds.0' }] })
    expect(await create([`account_${randomUUID()}`])).toEqual({
      __typename: 'ValidationError',
      fields: [{ path: 'input.accountIds' }],
    })
    expect(await create([`account_${uuid}`])).toEqual({ __typename: 'CreateApiTokenSuccess' })
  })
})

describe('Query.accounts', () => {
  const list = async (filter: string, person: Person | null = null) => {
    const { data, errors } = await server.ask(
      `{ accounts(filter: { ${filter} }, first: 10) { totalCount edges { node { name } } } }`,
      {},
      person?.authorization ?? server.authorization,
    )
    expect(errors).toBeUndefined()
    const names = data.accounts.edges.map((edge: { node: { name: string | null } }) => edge.node.name)
    return { names, totalCount: data.accounts.totalCount }
  }

  test('has for users what they hold, whatever they ask for', async () => {
    const names = ['CLOSED', 'FROZEN', 'OPEN', null]
    for (const filter of ['', `ownerId: "${ada.id}"`, 'house: false'])
      expect(await list(filter, ada)).toEqual({ names, totalCount: 4 })
    for (const filter of [`ownerId: "${owners[0]?.id}"`, 'house: true', 'name: "JPY"'])
      expect(await list(filter, ada)).toEqual({ names: [], totalCount: 0 })
  })

  test('has those that match all of a filter', async () => {
    expect(await list('status: FROZEN')).toEqual({ names: ['FROZEN'], totalCount: 1 })
    expect(await list('status: FROZEN, currency: "USD"')).toEqual({ names: [], totalCount: 0 })
    expect(await list('currency: "EUR", name: "EUR"')).toMatchObject({ totalCount: 50 })
    expect(await list(`ownerId: "${owners[0]?.id}"`)).toMatchObject({ totalCount: 10 })
    expect(await list('house: true')).toEqual({ names: [], totalCount: 0 })
    // Another case is another name.
    expect(await list('name: "eur"')).toEqual({ names: [], totalCount: 0 })
  })

  test('names what is wrong with a filter', async () => {
    for (const [path, filter] of [
      ['filter.currency', 'currency: "eur"'],
      ['filter.ownerId', 'ownerId: "account_018f0000-0000-7000-8000-000000000000"'],
      ['filter.name', 'name: ""'],
    ]) {
      const { errors } = await server.ask(`{ accounts(filter: { ${filter} }) { totalCount } }`)
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ path }] } }])
    }
  })
})

test('the whole ledger is narrowed to a currency', async () => {
  const query = (filter: string) =>
    `{ transactions(first: 60, filter: { ${filter} }) { totalCount pageInfo { hasNextPage } edges { node { amount currency { code } } } } }`
  const { data } = await count(query('currency: "KWD"'))
  const { edges, totalCount, pageInfo } = data.transactions
  expect([edges.length, totalCount, pageInfo.hasNextPage]).toEqual([50, 50, false])
  for (const { node } of edges) expect(node).toEqual({ amount: '4', currency: { code: 'KWD' } })
  const none = await count(query('currency: "KWD", amountMin: 5'))
  expect(none.data.transactions).toMatchObject({ totalCount: 0, edges: [] })
  const { errors } = await server.ask(query('currency: "kwd"'))
  expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'filter.currency' }] } }])
})

test('a sign-in answers with the accounts of whoever signed in', async () => {
  const email = `${randomUUID()}@example.com`
  const created = await server.ask(
    `mutation { createUser(input: { email: "${email}", password: "correct horse" }) { ... on CreateUserSuccess { user { id } } } }`,
  )
  const { data, errors } = await server.ask(
    `mutation { login(input: { email: "${email}", password: "correct horse" }) { ... on LoginSuccess { user {
      email account { status balance { amount } owner { email } } accounts(first: 5) { edges { node { currency { code } transactions(first: 5) { totalCount } } } } } } } }`,
    {},
    {},
  )
  expect(created.data.createUser.user.id).toMatch(/^user_/)
  expect(errors).toBeUndefined()
  expect(data.login.user).toEqual({
    email,
    account: { status: 'OPEN', balance: { amount: '0' }, owner: { email } },
    accounts: { edges: [{ node: { currency: { code: 'USD' }, transactions: { totalCount: 0 } } }] },
  })
})
