import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type GraphQLArgument, getIntrospectionQuery, isEnumType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { schema } from '../../src/schema/index.ts'
import { readOperationList, sha256Of } from '../../src/server/graphql/operation-list.ts'
import { readPersistedOperations } from '../../src/server/graphql/persisted-operations.ts'
import { runCommand } from '../support/command-line.ts'
import { openClient, refusalOf } from '../support/graphql-transport.ts'
import { PRODUCTION } from '../support/production.ts'
import { openTestServer, type TestServer } from '../support/server.ts'
import { TRANSPORTS } from '../support/transports.ts'

/* What surrounds GraphQL, in development and in production. */

const APP = 'https://app.example.com'
const READ = JSON.stringify({ query: '{ __typename }' })

/** Without NODE_ENV there would be a demo story, and the token of its operator in the folder that is named. */
let folder: string
const servers = {} as Record<'development' | 'production' | 'opened' | 'persisted', TestServer>
const persisted = {
  Name: 'query Name { __typename }',
  Watch: 'subscription Watch($id: ID!) { entryPosted(userId: $id) { sequence } }',
}
const listOf = (documents: string[]) =>
  JSON.stringify(Object.fromEntries(documents.map((text) => [sha256Of(text), text])))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thesaurum-shell-'))
  const list = join(folder, 'operations.json')
  await writeFile(list, listOf(Object.values(persisted)))
  const shared = { ALLOWED_ORIGINS: `${APP},https://other.example.com` }
  // An empty NODE_ENV counts as none.
  const development = await openTestServer({ ...shared, NODE_ENV: '', DATA_DIR: folder })
  servers.development = development
  servers.production = await openTestServer({ ...PRODUCTION, ...shared }, development.database)
  servers.opened = await openTestServer({ ...PRODUCTION, GRAPHIQL: 'on', INTROSPECTION: 'on' }, development.database)
  servers.persisted = await openTestServer({ ...PRODUCTION, PERSISTED_OPERATIONS: list }, development.database)
})
afterAll(async () => {
  await servers.persisted?.close()
  await servers.opened?.close()
  await servers.production?.close()
  await servers.development?.close()
  await rm(folder, { recursive: true, force: true })
})

const MODES = ['development', 'production'] as const

const send = (mode: keyof typeof servers, init: RequestInit = {}, path = '/graphql') =>
  fetch(servers[mode].address + path, {
    redirect: 'manual',
    ...init,
    headers: { ...(init.body && { 'content-type': 'application/json' }), ...init.headers },
  })

describe.each(MODES)('in %s', (mode) => {
  const preflight = (origin: string | null, headers = 'authorization,content-type') =>
    send(mode, {
      method: 'OPTIONS',
      headers: {
        ...(origin && { origin }),
        'access-control-request-method': 'POST',
        'access-control-request-headers': headers,
      },
    })

  test('a page of the list may ask, and have the answer', async () => {
    const { status, headers } = await preflight(APP)
    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe(APP)
    expect(headers.get('access-control-allow-methods')).toBe('GET, POST')
    expect(headers.get('access-control-allow-headers')).toBe('authorization,content-type')
    expect(headers.get('vary')).toBe('Origin, Access-Control-Request-Headers')
    const answer = await send(mode, { method: 'POST', body: READ, headers: { origin: APP } })
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP)
    expect(answer.headers.get('vary')).toMatch(/\bOrigin\b/)
  })

  test.each([
    'authorization,baggage,content-type,sentry-trace,traceparent',
    'apollographql-client-name, apollographql-client-version, content-type',
    'x-statement-count',
    'a'.repeat(1_000),
  ])('a page of the list may send the headers that it asks for: %.60s', async (asked) => {
    const { headers } = await preflight(APP, asked)
    expect(headers.get('access-control-allow-headers')).toBe(asked)
  })

  test.each(['', 'a b', 'a,,b', ',a', 'a,', 'a:b', 'a;b', '"a"', '<a>', 'é', 'a'.repeat(1_001)])(
    'names of headers that are none, or too many, are not repeated: %.20s',
    async (asked) => {
      const { status, headers } = await preflight(APP, asked)
      expect([status, headers.get('access-control-allow-headers')]).toEqual([204, 'authorization, content-type'])
    },
  )

  test('a page of the list is told of a refusal, and of whatever is wrong with its token', async () => {
    const answer = await send(mode, { method: 'POST', body: READ, headers: { origin: APP, authorization: 'Bearer x' } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([401, APP])
  })

  test.each([
    null,
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com.evil.example',
    'https://APP.example.com',
    `${APP}:8443`,
    'null',
    '*',
  ])('a page of the origin %s is told nothing that lets it read', async (origin) => {
    const asked = await preflight(origin)
    expect(asked.status).toBe(204)
    const answer = await send(mode, { method: 'POST', body: READ, headers: origin ? { origin } : {} })
    for (const { headers } of [asked, answer]) {
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
      // Whatever lies between must not keep one origin's answer for another.
      expect(headers.get('vary')).toMatch(/\bOrigin\b/)
    }
  })

  test('a socket is given to programs, to the own pages and to those of the list, and to no others', async () => {
    const { socketEndpoint, address } = servers[mode]
    const statusOf = (origin?: string) => refusalOf(socketEndpoint, { headers: origin === undefined ? {} : { origin } })
    for (const origin of [undefined, address, APP, 'https://other.example.com'])
      expect(await statusOf(origin), origin).toBe(101)
    for (const origin of [
      'https://evil.example.com',
      'null',
      '',
      '*',
      `${APP}.evil.example`,
      'file://',
      'http://localhost:1',
    ])
      expect(await statusOf(origin), origin).toBe(403)
  })

  test.each([
    '/graphql?query={__typename}',
    '/graphql?query={nothing}',
    '/graphql',
    '/',
    '/health',
    '/nothing',
    '/graphiql/nothing.js',
  ])('every answer says how it may be used: %s', async (path) => {
    const { headers } = await send(mode, {}, path)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toMatch(/frame-ancestors 'none'/)
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('strict-transport-security') !== null).toBe(mode === 'production')
    for (const name of ['set-cookie', 'server', 'x-powered-by', 'access-control-allow-credentials'])
      expect(headers.get(name), name).toBeNull()
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/jsonx',
    '',
  ])('what any page could send unasked is not looked at: %s', async (type) => {
    const answer = await send(mode, { method: 'POST', body: READ, headers: { 'content-type': type } })
    expect(answer.status).toBe(415)
    expect(await answer.json()).not.toHaveProperty('data')
  })

  test.each(['application/json', 'application/json; charset=utf-8', 'application/json;x=y'])(
    'JSON by any writing of its name is taken: %s',
    async (type) => {
      const answer = await send(mode, { method: 'POST', body: READ, headers: { 'content-type': type } })
      expect(answer.status).toBe(200)
    },
  )

  test.each(['gzip', 'br', 'deflate', 'x'])('a body in another coding is refused: %s', async (coding) => {
    const body = coding === 'gzip' ? gzipSync(READ) : READ
    const answer = await send(mode, {
      method: 'POST',
      body,
      headers: { 'content-encoding': coding, 'content-type': 'application/json' },
    })
    expect(answer.status).toBe(415)
  })

  const isOpen = mode === 'development'

  test(`GraphiQL is ${isOpen ? 'on' : 'off'}`, async () => {
    const page = await send(mode, { headers: { accept: 'text/html' } })
    expect(page.status).toBe(isOpen ? 200 : 406)
    expect((await page.text()).includes('<html')).toBe(isOpen)
  })

  test.each(TRANSPORTS)(`introspection is ${isOpen ? 'on' : 'off'} over $transport`, async ({ ask }) => {
    for (const query of [
      getIntrospectionQuery(),
      '{ __schema { queryType { name } } }',
      '{ a: __type(name: "User") { name } }',
    ]) {
      const { data, errors } = await ask(servers[mode], { query }, null)
      if (isOpen) expect([errors, data]).toEqual([undefined, expect.anything()])
      else
        expect([data ?? null, errors?.[0]?.message]).toEqual([
          null,
          expect.stringMatching(/introspection has been disabled/),
        ])
    }
    expect((await ask(servers[mode], { query: '{ __typename }' }, null)).data).toEqual({ __typename: 'Query' })
  })

  test.each(TRANSPORTS)(
    `names that would have been right are ${isOpen ? 'offered' : 'not offered'} over $transport`,
    async ({ transport, ask }) => {
      const wrong = [
        { query: '{ usr { id } }' },
        { query: '{ user(emial: "x") { id } }' },
        { query: '{ viewer { ... on Usr { id } } }' },
        { query: 'query ($x: Usr) { viewer { id } }' },
        { query: '{ failedTransactions(filter: { codee: X }) { pageInfo { endCursor } } }' },
        { query: 'subscription { entryPosted(userId: "x", sinc: "") { sequence } }' },
        {
          query: 'query ($f: FailedTransactionFilter) { failedTransactions(filter: $f) { pageInfo { endCursor } } }',
          variables: { f: { codee: 'X' } },
        },
        ...(transport === 'GET'
          ? []
          : [
              { query: 'mutation { createUser(input: { emial: "x" }) { __typename } }' },
              {
                query: 'mutation ($i: CreateUserInput!) { createUser(input: $i) { __typename } }',
                variables: { i: { emial: 'x', email: 'x' } },
              },
            ]),
      ]
      for (const asked of wrong) {
        const told = JSON.stringify(await ask(servers[mode], asked))
        expect(told, asked.query).toContain('errors')
        expect(told.includes('Did you mean'), told).toBe(isOpen)
      }
      // Names of an enum are never offered.
      const { errors } = await ask(servers[mode], {
        query: '{ failedTransactions(filter: { code: INSUFICIENT_FUNDS }) { pageInfo { endCursor } } }',
      })
      expect(JSON.stringify(errors)).not.toContain('INSUFFICIENT')
    },
  )
})

/** Every name of the schema. In a message graphql-js quotes names, and those in camel case are no ordinary words. */
const SCHEMA_NAMES = new Set(
  Object.values(schema.getTypeMap()).flatMap((type) => [
    type.name,
    ...('getFields' in type
      ? Object.values(type.getFields()).flatMap((field) => [
          field.name,
          ...('args' in field ? field.args.map((argument: GraphQLArgument) => argument.name) : []),
        ])
      : []),
    ...(isEnumType(type) ? type.getValues().map(({ name }) => name) : []),
  ]),
)

test.each(TRANSPORTS)(
  'without introspection an error names nothing that was not sent, over $transport',
  async ({ ask }) => {
    const wrong = [
      { query: '{ viewer }' },
      { query: '{ viewer { nothing } }' },
      { query: '{ viewer { id { x } } }' },
      { query: '{ viewer { balanceHistory { start } } }' },
      { query: '{ viewer { balanceHistory(from: 1, bucket: X) { start } } }' },
      { query: '{ user(idd: 1) { id } }' },
      { query: '{ ...F } fragment F on Balance { amount }' },
      { query: '{ viewer { ... on LedgerEntry { id } } }' },
      { query: 'query ($x: Int) { user(id: $x) { id } }' },
      {
        query:
          'query ($f: FailedTransactionFilter) { x: failedTransactions(filter: $f) { pageInfo { endCursor } } viewer { ...G } } fragment G on Query { viewer { id } }',
      },
      { query: '{ a: viewer { x: id } a: viewer { x: balance { amount } } }' },
      { query: '{ balances(userIds: {}) { amount } }' },
      { query: 'query ($x: [ID!]!) { balances(userIds: $x) { amount } }', variables: { x: [null, {}] } },
      { query: 'subscription { entryPosted { id } }' },
      { query: 'mutation { transfer(input: {}) { replayed } }' },
      { query: 'mutation ($i: TransferInput!) { transfer(input: $i) { __typename } }', variables: { i: {} } },
      {
        query: 'mutation ($i: PostTransactionsInput!) { postTransactions(input: $i) { __typename } }',
        variables: { i: { atomic: 1, transactions: [{ deposit: { x: 1 } }, { transfer: { amount: 1.5 } }, {}] } },
      },
    ]
    for (const asked of wrong) {
      const told = await ask(servers.production, asked)
      const sent = new Set(JSON.stringify(asked).split(/\W+/))
      const said = (told.errors ?? []).flatMap(({ message, extensions }) => [
        message,
        ...((extensions?.fields ?? []) as { message: string }[]).map((field) => field.message),
      ])
      expect(said.length, asked.query).toBeGreaterThan(0)
      const quoted = said.flatMap((message) => [...message.matchAll(/"([^"]*)"/g)].map(([, name]) => name)).join(' ')
      const telling = said
        .join(' ')
        .split(/\W+/)
        .filter((name) => /[a-z][A-Z]|_/.test(name))
      const named = [...quoted.split(/\W+/), ...telling]
      expect(
        named.filter((name) => SCHEMA_NAMES.has(name) && !sent.has(name)),
        said.join('\n'),
      ).toEqual([])
    }
  },
)

test('in production GraphiQL and introspection are there where they are asked for', async () => {
  const page = await send('opened', { headers: { accept: 'text/html' } })
  const html = await page.text()
  expect(html).toContain('<html')
  expect(html).not.toContain('Bearer')
  expect(page.headers.get('content-security-policy')).toMatch(/frame-ancestors 'none'/)
  for (const { ask } of TRANSPORTS) {
    expect((await ask(servers.opened, { query: '{ __schema { queryType { name } } }' }, null)).errors).toBeUndefined()
    expect(JSON.stringify(await ask(servers.opened, { query: '{ usr { id } }' }))).toContain('Did you mean')
  }
})

test('the token of the demo operator is in the page of this machine alone, and in production in none', async () => {
  const pageOf = async (mode: keyof typeof servers, headers: Record<string, string> = {}) =>
    (await send(mode, { headers: { accept: 'text/html', ...headers } })).text()
  expect(await pageOf('development')).toContain('Bearer')
  for (const header of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'])
    expect(await pageOf('development', { [header]: '127.0.0.1' })).not.toContain('Bearer')
})

describe.each(TRANSPORTS)('with persisted operations, over $transport', ({ ask }) => {
  const hash = sha256Of(persisted.Name)
  test.each([
    ['its text', { query: persisted.Name }],
    ['documentId', { documentId: hash }],
    ['documentId with the name of the hash', { documentId: `sha256:${hash}` }],
    ["Apollo's extension", { extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }],
  ])('an operation of the list runs by %s', async (_by, asked) => {
    expect(await ask(servers.persisted, asked, null)).toEqual({ data: { __typename: 'Query' } })
  })

  test.each([
    ['another text', { query: '{ __typename }' }],
    ['its text with another name', { query: persisted.Name.replace('Name', 'Other') }],
    ['its text with a field more', { query: 'query Name { __typename viewer { id } }' }],
    ['its text with an alias', { query: 'query Name { a: __typename }' }],
    ['its text with a directive', { query: 'query Name { __typename @include(if: true) }' }],
    ['its text with an operation more', { query: `${persisted.Name} query B { __typename }`, operationName: 'Name' }],
    ['no document', { query: '{' }],
    [
      "another hash in Apollo's extension, with the text of it",
      {
        query: '{ __typename }',
        extensions: { persistedQuery: { version: 1, sha256Hash: sha256Of('{ __typename }') } },
      },
    ],
    ['a text that is too long', { query: `{ __typename } #${'.'.repeat(10_000)}` }],
  ])('%s is refused', async (_what, asked) => {
    const { data, errors } = await ask(servers.persisted, asked, null)
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining(
          'This server runs only the operations on its list, and this one is not on it.',
        ),
        extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' },
      },
    ])
  })

  test.each([
    ['another hash', { documentId: sha256Of('{ __typename }') }],
    ['the name of an object', { documentId: '__proto__' }],
    ['another hash with a good text', { documentId: sha256Of('x'), query: persisted.Name }],
    [
      "another hash in Apollo's extension",
      { extensions: { persistedQuery: { version: 1, sha256Hash: sha256Of('x') } } },
    ],
    ["Apollo's extension without a hash", { extensions: { persistedQuery: {} } }],
  ])('%s is not found, in the words that clients look for', async (_what, asked) => {
    const { data, errors } = await ask(servers.persisted, asked, null)
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      { message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } },
    ])
  })

  test("a good text with another hash in Apollo's extension runs: a client that was told of a miss sends both", async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: sha256Of('x') } }
    const asked = { query: persisted.Name, extensions }
    expect(await ask(servers.persisted, asked, null)).toEqual({ data: { __typename: 'Query' } })
  })

  test.each([
    ['documentId', { documentId: hash }],
    ["Apollo's extension", { extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }],
  ])('a server without a list says that it has none, by %s', async (_by, asked) => {
    const { data, errors } = await ask(servers.production, asked, null)
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      { message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } },
    ])
    const withText = { ...asked, query: persisted.Name }
    expect(await ask(servers.production, withText, null)).toEqual({ data: { __typename: 'Query' } })
  })
})

test('with persisted operations no value in place of a hash or a text is a fault of the server', async () => {
  for (const body of [
    { documentId: 5 },
    { documentId: {} },
    { query: {} },
    { query: 5 },
    { query: null },
    { extensions: { persistedQuery: 5 } },
    {},
  ]) {
    const answer = await send('persisted', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { accept: 'application/graphql-response+json' },
    })
    expect([JSON.stringify(body), answer.status]).toEqual([JSON.stringify(body), 400])
  }
  expect(servers.persisted.errorLines()).toEqual([])
})

test('a subscription of the list runs by its hash', async () => {
  const client = await openClient(servers.persisted.socketEndpoint)
  client.send({
    type: 'subscribe',
    id: 'a',
    payload: {
      query: '',
      documentId: sha256Of(persisted.Watch),
      variables: { id: 'user_01890a5d-ac96-774b-bcce-b302099a8057' },
    },
  })
  expect(JSON.stringify(await client.waitForMessage())).toContain('USER_NOT_FOUND')
})

test('the allow-list of a client is made of its files, fragments included, and is read again', async () => {
  await writeFile(join(folder, 'a.graphql'), 'query A { viewer { ...Who } }\nquery B { __typename }')
  await writeFile(join(folder, 'b.graphql'), 'fragment Who on User { id ...More } fragment More on User { email }')
  const run = runCommand(['persist', join(folder, 'a.graphql'), join(folder, 'b.graphql')])
  expect(await run.waitForExit()).toBe(0)
  const list = join(folder, 'made.json')
  await writeFile(list, run.stdout())
  const documents = (await readOperationList(list)).map(({ text }) => text)
  expect(documents).toHaveLength(2)
  expect(documents[0]).toMatch(/query A[\s\S]*fragment Who[\s\S]*fragment More/)
  expect(documents[1]).toBe('query B {\n  __typename\n}')
})

test.each([
  ['a file that is not there', ['none.graphql'], /cannot be read/],
  ['a file that is no GraphQL', ['no.graphql'], /Syntax Error/],
  ['a field that is not there', ['wrong.graphql'], /nothing/],
])('an allow-list is not made of %s, in words', async (_name, files, words) => {
  await writeFile(join(folder, 'no.graphql'), 'query {')
  await writeFile(join(folder, 'wrong.graphql'), '{ nothing }')
  const run = runCommand(['persist', ...files.map((name) => join(folder, name))])
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr()).toMatch(words)
  expect(run.stderr()).not.toMatch(/^\s+at /m)
})

test.each([
  ['is not there', null, /^PERSISTED_OPERATIONS: .* cannot be read\.$/],
  ['is no JSON', '{', /is not JSON\.$/],
  ['is null', 'null', /neither an object of documents by their hash nor an Apollo manifest\.$/],
  ['is a list', '["{ __typename }"]', /neither an object of documents by their hash nor an Apollo manifest\.$/],
  [
    'has a hash of something else',
    JSON.stringify({ abc: '{ __typename }' }),
    /entry "abc": its key is not the MD5, SHA-1,/,
  ],
  ['has something else than texts', JSON.stringify({ abc: 5 }), /entry "abc": its value is not the text/],
])('a file of persisted operations that %s is told in one sentence', async (_name, text, words) => {
  const path = join(folder, `bad-${_name.replaceAll(' ', '-')}.json`)
  if (text !== null) await writeFile(path, text)
  const failed = await readPersistedOperations(path).catch((error: Error) => error)
  expect(failed).toMatchObject({ name: 'ConfigError', message: expect.stringMatching(words) })
  expect((failed as Error).message).not.toContain('\n')
})

test('a server whose file of persisted operations is bad does not start, and says so', async () => {
  const url = servers.development.database.url
  const run = runCommand(['serve'], {
    ...PRODUCTION,
    DATABASE_URL: url,
    PORT: '0',
    PERSISTED_OPERATIONS: join(folder, 'none.json'),
  })
  expect(await run.waitForExit()).toBe(1)
  // In production everything on the console is JSON.
  expect(run.stdout() + run.stderr()).toMatch(/"PERSISTED_OPERATIONS: [^"]*none\.json cannot be read\."/)
})
