import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { createApiToken } from '../../src/auth/api-tokens.ts'
import { accountOfUser } from '../../src/db/ids.ts'
import { databaseOf } from '../../src/db/pool.ts'
import {
  ALIASES_MAX,
  DEPTH_MAX,
  DOCUMENT_LENGTH_MAX,
  FIELDS_MAX,
  INTROSPECTION_ALIASES_MAX,
  TOKENS_MAX,
} from '../../src/server/graphql/document-limits.ts'
import { holdSession, untilBlocked } from '../support/faults.ts'
import { openClient } from '../support/graphql-transport.ts'
import { serverForTest, useServers } from '../support/server.ts'
import { type Asked, TRANSPORTS } from '../support/transports.ts'

/* The limits of docs/security.md: at the bound and one past it, on every transport alike. */

const { server, frugal, hasty } = useServers({
  server: {},
  /** An operation may cost little. */
  frugal: { USER_COST_MAX: '211', OPERATOR_COST_MAX: '422' },
  /** It waits for nothing. */
  hasty: { OPERATION_DEADLINE_MS: '300' },
})
let accountId: string
let userToken: string

beforeAll(async () => {
  const { rows } = await server.database.pool.query(
    `insert into users (id, email) values (gen_random_uuid(), 'ada@example.com') returning id`,
  )
  accountId = rows[0].id
  const { token } = await createApiToken(databaseOf(server.database.pool), {
    name: 'of a user',
    role: 'USER',
    accountIds: [accountOfUser(accountId)],
    expiresAt: null,
    createdBy: null,
  })
  userToken = token
})

const countAttempts = async () => {
  const { rows } = await server.database.pool.query(
    `select coalesce(sum(points), 0)::int as attempts from private.sign_in_limits`,
  )
  return rows[0].attempts as number
}

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')

/** `account { balance { account { balance …` so many fields deep, the last one a leaf. */
const nest = (depth: number) => {
  const names: string[] = Array.from({ length: depth - 1 }, (_, index) => (index % 2 ? 'balance' : 'account'))
  names[0] = `account(id: "${accountId}")`
  return `{ ${names.map((name) => `${name} {`).join(' ')} ${depth % 2 ? 'amount' : 'id'} ${'}'.repeat(depth - 1)} }`
}

/** So many fields through fragments, and none of them at one place of the answer again and again. */
function throughFragments(count: number): string {
  const names = ['id', 'email', 'role', 'createdAt', 'updatedAt', '__typename']
  const places = 20
  const spreads = Math.floor((count - places) / places / names.length)
  const rest = count - places - places * spreads * names.length
  return `{ ${times(places, (i) => `u${i}: user(id: "${accountId}") { ${times(spreads, () => '...F')} ${i === 0 ? times(rest, () => 'id') : ''} }`)} }
    fragment F on User { ${names.join(' ')} }`
}

/** 33 tokens, and as many as the list has; nothing of it is carried out. */
const ofTokens = (count: number) =>
  `query ($a: [ID!]! = [${times(count - 33, () => '1')}]) { nodes(ids: $a) @skip(if: true) { id } }`

interface Limit {
  limit: string
  accepted: () => Asked
  refused: () => Asked
  message: RegExp
  /** Without those whose own limit is met before: of a URL, and of a frame. */
  isLong?: boolean
}

const LIMITS: Limit[] = [
  {
    limit: 'depth',
    accepted: () => ({ query: nest(DEPTH_MAX) }),
    refused: () => ({ query: nest(DEPTH_MAX + 1) }),
    message: /nested too deeply: at most 32/,
  },
  {
    limit: 'depth through fragments',
    accepted: () => ({ query: `${nest(DEPTH_MAX).replace(/ id /, ' ...F ')} fragment F on Account { id }` }),
    refused: () => ({
      query: `${nest(DEPTH_MAX).replace(/ id /, ' ...F ')} fragment F on Account { balance { asOf } }`,
    }),
    message: /nested too deeply: at most 32/,
  },
  {
    limit: 'tokens',
    accepted: () => ({ query: ofTokens(TOKENS_MAX) }),
    refused: () => ({ query: ofTokens(TOKENS_MAX + 1) }),
    message: /more than 2000 tokens/,
  },
  {
    limit: 'length',
    isLong: true,
    accepted: () => ({ query: '{ __typename } #'.padEnd(DOCUMENT_LENGTH_MAX, '.') }),
    refused: () => ({ query: '{ __typename } #'.padEnd(DOCUMENT_LENGTH_MAX + 1, '.') }),
    message: /longer than 65536 characters/,
  },
  {
    limit: 'fields',
    accepted: () => ({ query: throughFragments(FIELDS_MAX) }),
    refused: () => ({ query: throughFragments(FIELDS_MAX + 1) }),
    message: /more than 1000 fields/,
  },
  {
    limit: 'fields that are the same',
    accepted: () => ({ query: `{ ${times(100, () => '__typename')} }` }),
    refused: () => ({ query: `{ ${times(101, () => '__typename')} }` }),
    message: /the same fields too many times/,
  },
  {
    limit: 'aliases',
    accepted: () => ({ query: `{ ${times(ALIASES_MAX, (i) => `a${i}: __typename`)} }` }),
    refused: () => ({ query: `{ ${times(ALIASES_MAX + 1, (i) => `a${i}: __typename`)} }` }),
    message: /more than 100 aliases/,
  },
  {
    limit: 'aliases through fragments',
    accepted: () => ({
      query: `{ a: user(id: "${accountId}") { ...F } b: user(id: "${accountId}") { ...F } } fragment F on User { ${times(49, (i) => `a${i}: id`)} }`,
    }),
    refused: () => ({
      query: `{ c: __typename a: user(id: "${accountId}") { ...F } b: user(id: "${accountId}") { ...F } } fragment F on User { ${times(49, (i) => `a${i}: id`)} }`,
    }),
    message: /more than 100 aliases/,
  },
  {
    limit: 'aliases of introspection',
    accepted: () => ({
      query: `{ ${times(INTROSPECTION_ALIASES_MAX, (i) => `a${i}: __type(name: "User") { name }`)} }`,
    }),
    refused: () => ({
      query: `{ ${times(INTROSPECTION_ALIASES_MAX + 1, (i) => `a${i}: __type(name: "User") { name }`)} }`,
    }),
    message: /An introspection query has more than 10 aliases/,
  },
  {
    limit: 'a page',
    accepted: () => ({ query: '{ users(first: 100) { edges { cursor } } }' }),
    refused: () => ({ query: '{ users(first: 101) { edges { cursor } } }' }),
    message: /must be at most 100/,
  },
  {
    limit: 'a page by a variable',
    accepted: () => ({ query: 'query ($n: Int) { users(last: $n) { edges { cursor } } }', variables: { n: 100 } }),
    refused: () => ({ query: 'query ($n: Int) { users(last: $n) { edges { cursor } } }', variables: { n: 101 } }),
    message: /must be at most 100/,
  },
  {
    limit: 'a list of ids',
    accepted: () => ({
      query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      variables: { ids: Array(100).fill(`user_${accountId}`) },
    }),
    refused: () => ({
      query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      variables: { ids: Array(101).fill(`user_${accountId}`) },
    }),
    message: /at most 100 ids/,
  },
]

describe.each(TRANSPORTS)('over $transport', ({ transport, ask }) => {
  const login = 'login(input: { email: "ada@example.com", password: "wrong-password" }) { __typename }'
  const isGet = transport === 'GET'

  test.each([
    ['aliases', `mutation { a: ${login} b: ${login} }`],
    ['fields that are the same', `mutation { ${login} ${login} }`],
    [
      'fragments',
      `mutation { ...A ...B } fragment A on Mutation { a: ${login} } fragment B on Mutation { b: ${login} }`,
    ],
    ['one fragment twice', `mutation { ...A ... { ...A } } fragment A on Mutation { ${login} }`],
    ['inline fragments', `mutation { a: ${login} ... on Mutation { ... { b: ${login} } } }`],
    ['a condition', `mutation { a: ${login} b: ${login.replace('{ __t', '@skip(if: true) { __t')} }`],
  ])('an operation signs in once, not twice by %s', async (_by, query) => {
    const before = await countAttempts()
    const answer = await ask(server, { query }, null)
    expect(answer.errors).toMatchObject([
      {
        message: isGet ? expect.any(String) : 'An operation may check only one password. Send one operation for each.',
        extensions: { code: 'BAD_REQUEST' },
      },
    ])
    expect(answer.data ?? null).toBeNull()
    expect(await countAttempts()).toBe(before)
  })

  test('one sign-in is looked at, but over GET', async () => {
    const { data, errors } = await ask(server, { query: `mutation { ${login} }` }, null)
    if (isGet) expect(errors).toHaveLength(1)
    else expect(data.login.__typename).toBe('InvalidCredentialsError')
  })

  const bombs = {
    'spread twice at each level': `{ ...F0 } ${times(60, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F60 on Query { __typename }`,
    'with fields at each level': `{ ...F0 } ${times(30, (i) => `fragment F${i} on Query { a: viewer { ...G${i} } b: viewer { ...G${i} } ...F${i + 1} ...F${i + 1} } fragment G${i} on User { id }`)} fragment F30 on Query { __typename }`,
    'in circles': `{ ...F0 } ${times(25, (i) => `fragment F${i} on Query { ${times(25, (j) => `...F${j}`)} }`)}`,
    'without a field': `{ ...F0 } ${times(60, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)}`,
  }
  test.each(Object.entries(bombs))('fragments %s are refused', async (_name, query) => {
    // Followed one by one, 60 levels of two would take centuries.
    const { errors } = await ask(server, { query })
    expect(errors?.length).toBeGreaterThan(0)
  })

  test.each([
    ['a user', 1, () => userToken],
    ['an operator', 2, () => undefined],
  ])('what %s may ask costs as much as that and no more', async (_who, share, token) => {
    const account = `account(id: "${accountId}") { transactions(first: 100) { edges { cursor } } }`
    const query = `{ ${times(share, (i) => `a${i}: ${account}`)} }`
    expect((await ask(frugal, { query }, token())).errors).toBeUndefined()
    const { data, errors } = await ask(frugal, { query: query.replace('{', '{ __typename') }, token())
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      {
        message: `Query cost ${211 * share + 1} exceeds the limit of ${211 * share}. Ask for fewer fields or smaller pages.`,
        extensions: { code: 'TOO_COSTLY' },
      },
    ])
    expect(errors?.[0]?.extensions).not.toHaveProperty('http')
  })

  /** 10 + a · (12 + 2 · b) points. */
  const lists = (a: string, b: string, declared = '') =>
    `query Q${declared} { accounts(first: ${a}) { edges { node { transactions(last: ${b}) { edges { cursor } } } } } }`
  test.each([
    ['literals', lists('10', '14'), lists('10', '15'), {}, {}],
    [
      'variables',
      lists('$a', '$b', '($a: Int, $b: Int)'),
      lists('$a', '$b', '($a: Int, $b: Int)'),
      { a: 10, b: 14 },
      { a: 10, b: 15 },
    ],
    ['defaults', lists('10', '$b', '($b: Int = 14)'), lists('10', '$b', '($b: Int = 15)'), {}, {}],
    [
      'a variable instead of its default',
      lists('10', '$b', '($b: Int = 100)'),
      lists('10', '$b', '($b: Int = 1)'),
      { b: 14 },
      { b: 15 },
    ],
    ['the standard page', lists('7', 'null'), lists('8', 'null'), {}, {}],
  ])('lists within lists count by %s', async (_by, cheap, dear, cheapVariables, dearVariables) => {
    expect((await ask(frugal, { query: cheap, variables: cheapVariables })).errors).toBeUndefined()
    const refused = await ask(frugal, { query: dear, variables: dearVariables })
    expect(refused.errors).toMatchObject([{ extensions: { code: 'TOO_COSTLY' } }])
    expect(refused.data ?? null).toBeNull()
  })

  test('the operation that is named is the one that counts, with its own fragments', async () => {
    const query = `${lists('100', '100').replace('Q', 'Dear')} query Cheap { users(first: 1) { ...F } } fragment F on UsersConnection { edges { cursor } }`
    expect((await ask(frugal, { query, operationName: 'Cheap' })).errors).toBeUndefined()
    const dear = await ask(frugal, { query, operationName: 'Dear' })
    expect(dear.errors).toMatchObject([{ extensions: { code: 'TOO_COSTLY' } }])
  })

  test('no argument that is bad by a variable makes the rest free of cost', async () => {
    const query = `query ($e: ID = "x") { nodes(ids: [$e]) { id } ${lists('100', '100').slice(9, -1)} }`
    const { data, errors } = await ask(frugal, { query, variables: { e: null } })
    expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'ids' }] } }])
    expect(data ?? null).toBeNull()
  })

  test('a query that waits for too long is answered in words', async () => {
    const held = await holdSession(server.database, 'lock table accounts in access exclusive mode')
    try {
      const answer = ask(hasty, { query: '{ accounts(first: 1) { edges { cursor } } }' })
      await Promise.race([untilBlocked(server.database), answer])
      expect(await answer).toMatchObject({ errors: [{ extensions: { code: 'DEADLINE_EXCEEDED', retryable: true } }] })
    } finally {
      await held.close()
    }
    // On a busy machine it may take too long once more.
    await vi.waitFor(async () =>
      expect((await ask(hasty, { query: '{ accounts(first: 1) { edges { cursor } } }' })).errors).toBeUndefined(),
    )
  })

  test.each(LIMITS.filter(({ isLong }) => !(isLong && (transport === 'GET' || transport === 'WebSocket'))))(
    '$limit: as much as may be is answered, and one more refused in words',
    async ({ accepted, refused, message }) => {
      const good = await ask(server, accepted())
      expect(good.errors).toBeUndefined()
      expect(good.data).toBeDefined()
      const bad = await ask(server, refused())
      expect(bad.errors?.map((error) => error.message).join()).toMatch(message)
      expect(bad.errors?.[0]?.extensions.code).toMatch(/^(BAD_REQUEST|BAD_USER_INPUT)$/)
      expect(Object.values(bad.data ?? {}).every((value) => value === null)).toBe(true)
    },
  )
})

const login = 'login(input: { email: "ada@example.com", password: "wrong-password" }) { __typename }'

test('a batch of operations is refused, and no sign-in of it looked at', async () => {
  const before = await countAttempts()
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ query: `mutation { ${login} }` }, { query: `mutation { ${login} }` }]),
  })
  expect(response.status).toBe(400)
  expect(await countAttempts()).toBe(before)
})

test('a frame is at most 64 KiB, in one piece or in several', async () => {
  const ofLength = (length: number) =>
    JSON.stringify({ type: 'ping', payload: { a: '' } }).replace('""', `"${'a'.repeat(length - 34)}"`)
  const client = await openClient(server.socketEndpoint)
  expect(ofLength(64 * 1024)).toHaveLength(64 * 1024)
  client.send(ofLength(64 * 1024))
  expect(await client.waitForMessage()).toMatchObject({ type: 'pong' })
  client.send(ofLength(64 * 1024 + 1))
  expect((await client.waitForClose()).code).toBe(1009)
  const other = await openClient(server.socketEndpoint)
  for (let part = 0; part < 3; part++) other.webSocket.send('a'.repeat(30_000), { fin: false })
  expect((await other.waitForClose()).code).toBe(1009)
})

test('a call takes a thousand postings', async () => {
  const post = (count: number) =>
    server.ask(
      `mutation ($transactions: [PostTransactionInput!]!) {
        postTransactions(input: { atomic: true, transactions: $transactions }) { __typename }
      }`,
      {
        transactions: Array.from({ length: count }, () => ({
          deposit: { idempotencyKey: randomUUID(), accountId, amount: 1 },
        })),
      },
    )
  const counted = async () => (await server.database.pool.query('select from transactions')).rowCount ?? 0
  const before = await counted()
  expect((await post(1_001)).data.postTransactions.__typename).toBe('ValidationError')
  expect(await counted()).toBe(before)
  expect((await post(1_000)).data.postTransactions.__typename).toBe('PostTransactionsSuccess')
  expect(await counted()).toBe(before + 1_000)
})

test('an operation of a user may cost 50,000 points, and one of an operator 500,000', async () => {
  const query = (count: number) =>
    `{ ${times(count, (i) => `a${i}: account(id: "${accountId}") { transactions(filter: { kind: DEPOSIT }) { totalCount } }`)} }`
  const refused = await server.ask(query(5), {}, { authorization: `Bearer ${userToken}` })
  expect(refused.errors?.[0]?.message).toBe(
    'Query cost 52505 exceeds the limit of 50000. Ask for fewer fields or smaller pages.',
  )
  const dear =
    '{ accounts(first: 100) { edges { node { transactions(first: 100) { edges { node { id amount } } } } } } }'
  expect((await server.ask(dear.replace('amount', 'amount '.repeat(60)))).errors?.[0]?.message).toMatch(
    /exceeds the limit of 500000/,
  )
  expect((await server.ask(query(5))).errors).toBeUndefined()
})

test('an operation that there is no memory for is refused with 503, and a time to wait', async () => {
  const roomy = await serverForTest({ BODY_BYTES_MAX: String(2 ** 23) }, server.database)
  const response = await fetch(roomy.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...roomy.authorization },
    // More values than there is memory for, of all viewers together.
    body: JSON.stringify({ query: '{ __typename }', variables: { list: Array(1_000_000).fill(0) } }),
  })
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('1')
  expect(await response.json()).toEqual({
    errors: [{ message: expect.any(String), extensions: { code: 'OVERLOADED', retryable: true } }],
  })
})
