import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { hashToken } from '../../src/auth/token.ts'
import { databaseClock } from '../support/faults.ts'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { signInOperator } from '../support/operator.ts'
import { serverForTest, useServer } from '../support/server.ts'
import { askWith, isGood, logIn, makePerson, type Person, untilBad } from '../support/sign-in.ts'

const server = useServer()
let operator: string
let anna: Person
let bert: Person
let carl: Person
beforeAll(async () => {
  operator = await signInOperator(server.database)
  anna = await makePerson(server)
  bert = await makePerson(server)
  carl = await makePerson(server)
  for (const { id } of [anna, bert, carl]) expect((await deposit(server.token, id, '1000')).kind).toBe('DepositSuccess')
})

/** The main account. */
const accountOf = ({ id }: Person) => id.replace('user_', 'account_')

const CREATE = `mutation ($name: String = "a service", $role: Role!, $accountIds: [ID!], $expiresAt: DateTime) {
  createApiToken(input: { name: $name, role: $role, accountIds: $accountIds, expiresAt: $expiresAt }) {
    __typename
    ... on CreateApiTokenSuccess { token apiToken { id name role accounts { id } createdBy { email } expiresAt revokedAt } }
    ... on ValidationError { fields { path message } }
  }
}`
const REVOKE = `mutation ($id: ID!) { revokeApiToken(input: { id: $id }) {
  __typename ... on RevokeApiTokenSuccess { apiToken { id revokedAt } } ... on Error { code }
} }`
const LIST = '{ apiTokens { id name role accounts { id } createdBy { id } createdAt expiresAt revokedAt } }'

async function makeToken(variables: Record<string, unknown>): Promise<{ token: string; id: string }> {
  const { data } = await askWith(server, operator, CREATE, variables)
  const { __typename, token, apiToken } = data.createApiToken
  expect(__typename).toBe('CreateApiTokenSuccess')
  return { token, id: apiToken.id }
}

/** What came of a posting: the member of the union, or the code of the error. */
async function post(token: string, mutation: string, variables: Record<string, unknown>) {
  const { data, errors } = await askWith(server, token, mutation, { key: randomUUID(), ...variables })
  const [answer] = Object.values((data ?? {}) as Record<string, { __typename: string } | null>)
  return { kind: answer?.__typename ?? errors?.[0]?.extensions.code, answer }
}
const deposit = (token: string, accountId: string, amount = '1') =>
  post(
    token,
    `mutation ($key: UUID!, $accountId: ID!, $amount: Amount!) {
      deposit(input: { idempotencyKey: $key, accountId: $accountId, amount: $amount }) { __typename }
    }`,
    { accountId, amount },
  )
const transfer = (token: string, source: string, destination: string, amount = '1') =>
  post(
    token,
    `mutation ($key: UUID!, $source: ID!, $destination: ID!, $amount: Amount!) {
      transfer(input: { idempotencyKey: $key, sourceAccountId: $source, destinationAccountId: $destination, amount: $amount }) { __typename }
    }`,
    { source, destination, amount },
  )
/** `null`, a value, or the code of an error. */
async function read(token: string, query: string, variables = {}) {
  const { data, errors } = await askWith(server, token, query, variables)
  return errors ? errors[0]?.extensions.code : Object.values(data)[0]
}
const balanceOf = (token: string, id: string) =>
  read(token, 'query ($id: ID!) { account(id: $id) { balance { amount } } }', { id })

describe('an API token is made', () => {
  test('by an operator who is signed in, and shows itself this once', async () => {
    const { data } = await askWith(server, operator, CREATE, {
      role: 'USER',
      accountIds: [accountOf(anna), accountOf(bert), accountOf(anna)],
    })
    const { token, apiToken } = data.createApiToken
    expect(token).toMatch(/^thesaurum_api_[A-Za-z0-9_-]{43}$/)
    expect(apiToken).toMatchObject({
      id: expect.stringMatching(/^token_/),
      role: 'USER',
      accounts: [{ id: accountOf(anna) }, { id: accountOf(bert) }],
      createdBy: { email: 'demo-operator@thesaurum.invalid' },
      revokedAt: null,
    })
    const list = JSON.stringify(await askWith(server, operator, LIST))
    expect(list).toContain(apiToken.id)
    expect(list).not.toContain('thesaurum_')
    expect(list).not.toContain(token.slice(-43))
    expect(server.logged.join()).not.toContain(token.slice(-43))
  })

  test('by no token, by no user and by no stranger', async () => {
    const { token: everything } = await makeToken({ role: 'OPERATOR' })
    const { token: some } = await makeToken({ role: 'OPERATOR', accountIds: [accountOf(anna)] })
    const variables = { role: 'USER', accountIds: [accountOf(anna)] }
    for (const token of [everything, some, server.token, await logIn(server, anna)])
      expect(await read(token, CREATE, variables)).toBe('FORBIDDEN')
    expect((await server.ask(CREATE, variables, {})).errors).toMatchObject([
      { extensions: { code: 'UNAUTHENTICATED' } },
    ])
  })

  test.each([
    ['a user’s, for nobody', { role: 'USER' }, 'accountIds'],
    ['a user’s, for null', { role: 'USER', accountIds: null }, 'accountIds'],
    ['a user’s, for an empty list', { role: 'USER', accountIds: [] }, 'accountIds'],
    ['an operator’s, for an empty list', { role: 'OPERATOR', accountIds: [] }, 'accountIds'],
    ['what is no account', { role: 'OPERATOR', accountIds: ['rosebud'] }, 'accountIds'],
    ['without a name', { role: 'OPERATOR', name: '' }, 'name'],
    ['too many accounts', { role: 'USER', accountIds: Array.from({ length: 101 }, () => randomUUID()) }, 'accountIds'],
  ])('not as %s', async (_what, variables, field) => {
    const { data, errors } = await askWith(server, operator, CREATE, variables)
    const told = JSON.stringify(data?.createApiToken?.fields ?? errors)
    expect(told).toContain(field)
    expect(told).not.toContain('rosebud')
    expect(data?.createApiToken?.__typename ?? 'none').not.toBe('CreateApiTokenSuccess')
  })
})

describe('a user’s token for two accounts', () => {
  let token: string
  beforeAll(async () => {
    token = (await makeToken({ role: 'USER', accountIds: [accountOf(anna), accountOf(bert)] })).token
  })

  test('sees and moves what they hold, and of their owners sees the ids', async () => {
    for (const person of [anna, bert]) {
      const { id } = person
      expect(await balanceOf(token, id)).toEqual({ balance: { amount: expect.any(String) } })
      expect(
        await read(token, 'query ($id: ID!) { account(id: $id) { id owner { email account { id } } } }', { id }),
      ).toEqual({
        id: accountOf(person),
        owner: { email: null, account: { id: accountOf(person) } },
      })
      expect(await read(token, 'query ($id: ID!) { user(id: $id) { id } }', { id })).toBeNull()
    }
    expect((await transfer(token, anna.id, carl.id)).kind).toBe('TransferSuccess')
    expect((await transfer(token, bert.id, anna.id)).kind).toBe('TransferSuccess')
    expect(
      await read(token, 'query ($ids: [ID!]!) { balances(accountIds: $ids) { account { id } } }', {
        ids: [carl.id, anna.id],
      }),
    ).toEqual([null, { account: { id: accountOf(anna) } }])
    const client = await openClient(server.socketEndpoint, { token })
    client.subscribe('watch', {
      query: 'subscription ($id: ID!) { entryPosted(accountId: $id, since: null) { change } }',
      variables: { id: bert.id },
    })
    const stranger = await openStream(
      server.endpoint,
      { query: 'subscription ($id: ID!) { entryPosted(accountId: $id) { change } }', variables: { id: carl.id } },
      token,
    )
    expect(JSON.stringify((await stranger.waitForEnd()).left)).toContain('ACCOUNT_NOT_FOUND')
  })

  test('is no user, and sees and moves nothing else', async () => {
    expect(await read(token, '{ viewer { id } }')).toBeNull()
    expect(await balanceOf(token, carl.id)).toBeNull()
    expect(await read(token, 'query ($id: ID!) { node(id: $id) { id } }', { id: carl.id })).toBeNull()
    expect(
      await read(token, 'query ($email: String!) { user(email: $email) { id } }', { email: carl.email }),
    ).toBeNull()
    expect((await transfer(token, carl.id, anna.id)).kind).toBe('AccountNotFoundError')
    expect((await deposit(token, anna.id)).kind).toBe('FORBIDDEN')
    for (const query of [
      '{ users { totalCount } }',
      '{ ledger { accountCount } }',
      '{ transactions { totalCount } }',
      LIST,
    ])
      expect(await read(token, query)).toBe('FORBIDDEN')
    expect(await read(token, REVOKE, { id: randomUUID() })).toBe('FORBIDDEN')
    const feed = await openStream(server.endpoint, { query: 'subscription { transactionPosted { cursor } }' }, token)
    expect(JSON.stringify((await feed.waitForEnd()).left)).toContain('FORBIDDEN')
  })
})

describe('an operator’s token for one account', () => {
  let token: string
  beforeAll(async () => {
    token = (await makeToken({ role: 'OPERATOR', accountIds: [accountOf(anna)] })).token
  })

  test('deposits there and not elsewhere, one by one and in bulk', async () => {
    expect((await deposit(token, anna.id)).kind).toBe('DepositSuccess')
    expect((await deposit(token, bert.id)).kind).toBe('AccountNotFoundError')
    const before = await balanceOf(server.token, bert.id)
    const { data } = await askWith(
      server,
      token,
      `mutation ($a: UUID!, $b: UUID!, $anna: ID!, $bert: ID!) {
        postTransactions(input: { atomic: false, transactions: [
          { deposit: { idempotencyKey: $a, accountId: $anna, amount: 1 } },
          { deposit: { idempotencyKey: $b, accountId: $bert, amount: 1 } },
        ] }) { ... on PostTransactionsSuccess { results { __typename } } }
      }`,
      { a: randomUUID(), b: randomUUID(), anna: anna.id, bert: bert.id },
    )
    expect(data.postTransactions.results.map(({ __typename }: { __typename: string }) => __typename)).toEqual([
      expect.stringMatching(/Success$/),
      'AccountNotFoundError',
    ])
    expect(await balanceOf(server.token, bert.id)).toEqual(before)
    expect((await transfer(token, anna.id, bert.id)).kind).toBe('TransferSuccess')
    expect((await transfer(token, bert.id, anna.id)).kind).toBe('AccountNotFoundError')
  })

  test('has nothing of the ledger as a whole, and nobody else', async () => {
    for (const query of [
      '{ users { totalCount } }',
      '{ ledger { accountCount } }',
      '{ transactions { totalCount } }',
      LIST,
    ])
      expect(await read(token, query)).toBe('FORBIDDEN')
    expect(await balanceOf(token, bert.id)).toBeNull()
    expect(await read(token, 'mutation { createUser(input: { email: "x@example.com" }) { __typename } }')).toBe(
      'FORBIDDEN',
    )
    const feed = await openStream(server.endpoint, { query: 'subscription { transactionPosted { cursor } }' }, token)
    expect(JSON.stringify((await feed.waitForEnd()).left)).toContain('FORBIDDEN')
  })
})

test('an operator’s token for all accounts runs the ledger, except that it makes no token; it may revoke one', async () => {
  const { token } = await makeToken({ role: 'OPERATOR' })
  expect(await read(token, '{ ledger { accountCount } }')).toEqual({ accountCount: expect.any(Number) })
  expect((await deposit(token, carl.id)).kind).toBe('DepositSuccess')
  const { token: other, id } = await makeToken({ role: 'OPERATOR' })
  expect(await read(token, REVOKE, { id })).toMatchObject({ __typename: 'RevokeApiTokenSuccess' })
  expect(await isGood(server, other)).toBe(false)
})

describe('an API token ends', () => {
  test('when it expires, with what it had subscribed to', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const { token } = await makeToken({ role: 'USER', accountIds: [accountOf(anna)], expiresAt })
    const client = await openClient(server.socketEndpoint, { token })
    client.subscribe('watch', {
      query: 'subscription ($id: ID!) { entryPosted(accountId: $id) { id } }',
      variables: { id: anna.id },
    })
    expect(await client.drain()).toEqual([])
    // As if the hour were over but for a second.
    const soon = await databaseClock(server.database, '1 second')
    await server.database.pool.query('update private.api_tokens set expires_at = $1 where token_hash = $2', [
      soon,
      hashToken(token),
    ])
    expect(await client.waitForMessage()).toMatchObject({
      payload: { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
    })
    expect((await databaseClock(server.database, '20 milliseconds')) > soon).toBe(true)
    expect(await isGood(server, token)).toBe(false)
  })

  test('when it is revoked: at once here, soon on another server; done twice, the first time stays', async () => {
    const other = await serverForTest({}, server.database)
    const { token, id } = await makeToken({ role: 'OPERATOR' })
    expect([await isGood(server, token), await isGood(other, token)]).toEqual([true, true])
    const { data } = await askWith(server, operator, REVOKE, { id })
    expect(await isGood(server, token)).toBe(false)
    await untilBad(other, token)
    const again = await askWith(other, operator, REVOKE, { id: id.replace('token_', '') })
    expect(again.data).toEqual(data)
    expect(JSON.stringify(await askWith(server, operator, LIST))).not.toContain(id)
  })

  test('one that is not there cannot be revoked', async () => {
    expect(await read(operator, REVOKE, { id: randomUUID() })).toMatchObject({ code: 'API_TOKEN_NOT_FOUND' })
    const { errors } = await askWith(server, operator, REVOKE, { id: anna.id })
    expect(errors ?? 'none').not.toContain(anna.id)
  })

  test('its id opens nothing', async () => {
    const { id } = await makeToken({ role: 'OPERATOR' })
    for (const text of [id, id.replace('token_', 'thesaurum_api_'), id.replace('token_', '')])
      await vi.waitFor(async () => expect(await isGood(server, text)).toBe(false))
  })
})
