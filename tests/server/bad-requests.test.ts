import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { createClient } from 'graphql-ws'
import { afterEach, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { countRows } from '../support/bad-input.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { useServer } from '../support/server.ts'

/* Requests that are no operation of this schema at all, on HTTP and on sockets. */

const CANARY = 'canary-Zq7'
const BODY_BYTES_MAX = 64 * 1024
const READ = '{ ledger { userCount } }'
const WRITE = 'mutation { createUser(input: { email: "mary@example.com" }) { __typename } }'

const server = useServer({ BODY_BYTES_MAX: String(BODY_BYTES_MAX) })
let rows: Record<string, number>

beforeAll(async () => {
  rows = await countRows(server)
})

afterEach(async () => {
  expect(await countRows(server)).toEqual(rows)
  expect(server.errorLines()).toEqual([])
})

interface Sent {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string | ReadableStream
}

async function send({ method = 'POST', path = '', headers, body }: Sent) {
  const response = await fetch(server.endpoint + path, {
    method,
    headers: { ...server.authorization, ...(headers ?? { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body, duplex: 'half' }),
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  const text = await response.text()
  expect(text).not.toContain(CANARY)
  return { status: response.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined }
}

const sendJson = (body: unknown) => send({ body: JSON.stringify(body) })

test.each([
  ['empty', ''],
  ['no JSON', `{"query": ${CANARY}}`],
  ['cut short', `{"query": "{ user(email: \\"${CANARY}`],
  ['a string', `"${CANARY}"`],
  ['a number', '5'],
  ['null', 'null'],
  ['a list', '[]'],
  ['a batch', JSON.stringify([{ query: READ }, { query: WRITE }])],
  ['without a query', JSON.stringify({ variables: { a: CANARY } })],
  ['with a query that is no text', JSON.stringify({ query: { a: CANARY } })],
  ['with variables that are a text', JSON.stringify({ query: READ, variables: CANARY })],
  ['with variables that are a list', JSON.stringify({ query: READ, variables: [CANARY] })],
  ['with extensions that are a text', JSON.stringify({ query: READ, extensions: CANARY })],
  ['with the name of another operation', JSON.stringify({ query: `query A ${READ}`, operationName: CANARY })],
  ['with no name and two operations', JSON.stringify({ query: `query A ${READ} query B ${READ}` })],
  ['garbage, deep', `${'['.repeat(20_000)}"${CANARY}"`],
])('a body that is %s is refused', async (_name, body) => {
  const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' }
  const { status, json } = await send({ headers, body })
  expect(status).toBe(400)
  expect(json.data).toBeUndefined()
  expect(json.errors).toHaveLength(1)
  expect(json.errors[0].extensions).not.toHaveProperty('originalError')
})

test.each([
  '*/*',
  'application/json',
  'application/graphql-response+json',
  'application/graphql-response+json, application/json;q=0.9',
  'text/event-stream',
  'application/json, text/event-stream',
  'multipart/mixed, application/json',
])('a request without a query is 400 by every method, to who accepts %s', async (accept) => {
  const headers = { 'content-type': 'application/json', accept }
  for (const body of [{}, { query: null }, { query: '' }, { variables: {} }, { operationName: 'A' }, { query: 5 }])
    expect([body, (await send({ headers, body: JSON.stringify(body) })).status]).toEqual([body, 400])
  for (const path of ['', '?', '?query', '?query=', '?variables={}', '?operationName=A'])
    expect([path, (await send({ method: 'GET', headers: { accept }, path })).status]).toEqual([path, 400])
})

test.each([
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/graphql',
  'application/json-patch+json',
  'text/plain; application/json',
])('a body of type %s is refused, as any web page could send it', async (type) => {
  const { status, json } = await send({ headers: { 'content-type': type }, body: JSON.stringify({ query: WRITE }) })
  expect([status, json.data]).toEqual([415, undefined])
})

test('a body over the limit is refused, whether it tells its length or not', async () => {
  const body = JSON.stringify({ query: READ, variables: { a: CANARY.repeat(BODY_BYTES_MAX / 8) } })
  expect((await send({ body })).status).toBe(413)
  expect((await send({ body: new Blob([body]).stream() })).status).toBe(413)
  expect((await send({ body: new Blob([]).stream() })).status).toBe(400)
  const small = JSON.stringify({ query: READ, variables: { a: 'a'.repeat(BODY_BYTES_MAX / 2) } })
  expect((await send({ body: small })).json.errors).toBeUndefined()
  expect((await send({ body: new Blob([small]).stream() })).json.errors).toBeUndefined()
})

test('a client that leaves in the middle of its body hurts nobody', async () => {
  const { port } = new URL(server.address)
  for (const length of ['content-length: 5000', 'transfer-encoding: chunked']) {
    const socket = connect(Number(port), 'localhost')
    socket.write(
      `POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${length}\r\n\r\n5\r\n{"que`,
    )
    await new Promise<void>((resolve) => socket.end(resolve))
    socket.destroy()
  }
  expect((await sendJson({ query: READ })).json.errors).toBeUndefined()
})

test('GET reads and never writes', async () => {
  const get = (parameters: Record<string, string>) =>
    send({ method: 'GET', path: `?${new URLSearchParams(parameters)}`, headers: { accept: 'application/json' } })
  expect((await get({ query: READ })).json.data.ledger).toEqual({ userCount: 0 })
  const id = `user_${randomUUID()}`
  const withVariables = { query: 'query ($id: ID!) { node(id: $id) { id } }', variables: JSON.stringify({ id }) }
  expect((await get(withVariables)).json).toEqual({ data: { node: null } })
  expect((await get({ query: WRITE })).status).toBe(405)
  expect(
    (await get({ query: `query A ${READ} ${WRITE.replace('mutation', 'mutation B')}`, operationName: 'B' })).status,
  ).toBe(405)
  expect((await get({ query: READ, variables: CANARY })).status).toBe(400)
  expect((await get({ query: READ, extensions: `{"${CANARY}` })).status).toBe(400)
  expect((await get({})).json.data).toBeUndefined()
})

test.each(['PUT', 'PATCH', 'DELETE'])('%s is not allowed', async (method) => {
  expect((await send({ method, body: JSON.stringify({ query: WRITE }) })).status).toBe(405)
})

test('a page of another origin is told nothing that would let it read an answer', async () => {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://evil.example' },
    body: JSON.stringify({ query: READ }),
  })
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
  await response.body?.cancel()
})

/** Syntax errors and validation errors, and what a client needs to find its mistake. */
const DOCUMENTS: readonly (readonly [name: string, document: string, word: RegExp])[] = [
  ['is empty', '', /query|Unexpected <EOF>/],
  ['is a comment', `# ${CANARY}`, /Unexpected <EOF>/],
  ['is no GraphQL', CANARY, /Syntax Error/],
  ['has a stray text', `{ user(email: "x" "${CANARY}") { id } }`, /Expected Name, found String/],
  ['has a stray block text', `{ user(email: "x" """${CANARY} "quoted" ${CANARY}""") { id } }`, /found BlockString/],
  ['has a stray number', `{ user(email: "x" 12345678) { id } }`, /found Int/],
  ['has an open text', `{ user(email: "${CANARY}`, /Unterminated string/],
  ['has an escape that is none', `{ user(email: "${CANARY}\\q") { id } }`, /Invalid character escape/],
  ['has half a surrogate pair', `{ user(email: "${CANARY}\\ud800") { id } }`, /Invalid Unicode escape/],
  ['asks for a field that is not there', '{ ledger { secret } }', /"secret" on type "Ledger"/],
  ['gives an argument that is not there', `{ user(password: "${CANARY}") { id } }`, /Unknown argument "password"/],
  ['uses a variable it does not declare', '{ user(id: $id) { id } }', /"\$id" is not defined/],
  ['uses a variable of another type', 'query ($id: Int) { user(id: $id) { id } }', /"\$id" of type "Int"/],
  [
    'gives a variable a standard of another type',
    `query ($n: Int = "${CANARY}") { users(first: $n) { __typename } }`,
    /n: /,
  ],
  ['gives a directive another type', `{ ledger @include(if: "${CANARY}") { userCount } }`, /if: /],
  ['leaves a selection out', '{ ledger }', /must have a selection/],
  ['asks twice in two ways', `{ user(email: "${CANARY}@a.b") { id } user(email: "${CANARY}@c.d") { id } }`, /conflict/],
  [
    'spreads a fragment in a circle',
    '{ ledger { ...A } } fragment A on Ledger { ...A }',
    /Cannot spread fragment "A" within itself/,
  ],
  ['defines a type', `type ${CANARY.replace('-', '_')} { id: ID }`, /not executable|operation/],
  [
    'is nested without end',
    `{${'account{balance{'.repeat(1_500)}`,
    /nested too deeply|Syntax Error|more than 2000 tokens/,
  ],
  [
    'nests lists without end',
    `{ user(email: ${'['.repeat(10_000)}"${CANARY}"${']'.repeat(10_000)}) { id } }`,
    /nested too deeply|more than 2000 tokens/,
  ],
  ['closes nothing', '{'.repeat(30_000), /Syntax Error|more than 2000 tokens/],
]

test.each(DOCUMENTS)('a document that %s is refused with a reason', async (_name, query, word) => {
  // Twice: errors are kept for documents that were seen before.
  for (let time = 1; time <= 2; time++) {
    const { status, json } = await sendJson({ query })
    expect(status).toBeLessThan(500)
    expect(json.data).toBeUndefined()
    expect(json.errors[0].message).toMatch(word)
    expect(json.errors[0].extensions?.code).not.toBe('INTERNAL_SERVER_ERROR')
  }
})

test('a nested variable is refused however deep it is', async () => {
  const list = `${'['.repeat(8_000)}"${CANARY}"${']'.repeat(8_000)}`
  const object = `${'{"a":'.repeat(8_000)}"${CANARY}"${'}'.repeat(8_000)}`
  for (const value of [list, object]) {
    for (const query of [
      'query ($v: String) { user(email: $v) { id } }',
      'query ($v: [ID!]!) { nodes(ids: $v) { id } }',
    ]) {
      const { status, json } = await send({ body: `{"query": ${JSON.stringify(query)}, "variables": {"v": ${value}}}` })
      expect([status, json.errors[0].extensions.code]).toEqual([200, 'BAD_USER_INPUT'])
    }
  }
})

test('a socket refuses the same documents one by one, and lives', async () => {
  const client = createClient({
    url: server.socketEndpoint,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: server.authorization,
  })
  const closed: unknown[] = []
  client.on('closed', (event) => closed.push(event))
  const errorsOf = (query: string) =>
    new Promise<unknown>((resolve) =>
      client.subscribe({ query }, { next: (result) => resolve(result.errors), error: resolve, complete: () => {} }),
    )
  for (const [name, query, word] of DOCUMENTS.filter(([, query]) => query !== '')) {
    const told = JSON.stringify(await errorsOf(query))
    expect(told.replaceAll('\\"', '"'), name).toMatch(word)
    expect(told, name).not.toContain(CANARY)
  }
  expect(await errorsOf(READ)).toBeUndefined()
  expect(closed).toEqual([])
  await client.dispose()
})

test('a subscription is answered over POST by server-sent events, and to who takes none by 406', async () => {
  const body = JSON.stringify({ query: `subscription { entryPosted(accountId: "${randomUUID()}") { id } }` })
  const post = (accept: string) => send({ headers: { 'content-type': 'application/json', accept }, body })
  expect((await post('text/event-stream')).text).toMatch(/"code":"ACCOUNT_NOT_FOUND".*\s+event: complete/)
  expect((await post('image/png')).status).toBe(406)
})

/** Sends bytes as they are, and reads until the server hangs up. */
async function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(server.address)
  const socket = connect(Number(port), hostname)
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
}

test.each(['a b[', '[', 'x:99999999', '%'])('a Host header that is none is refused: %s', async (host) => {
  const answer = await sendRaw(`GET /graphql?query={__typename} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect(answer).toContain('"The Host header is malformed. Send one, with one host."')
  expect(answer).not.toMatch(/node_modules|\bat /)
})

test.each(['/graphql?query={__typename}', '/health', '/', '/nothing'])(
  'two Host headers are refused: %s',
  async (path) => {
    const hosts = (first: string, second: string) => `Host: ${first}\r\nHost: ${second}\r\n`
    for (const [first, second] of [
      ['localhost', 'localhost'],
      ['localhost', 'evil.example'],
    ] as const) {
      const head = `GET ${path} HTTP/1.1\r\n${hosts(first, second)}`
      expect(await sendRaw(`${head}Connection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /)
      const upgrade =
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
      expect(await sendRaw(`${head}${upgrade}\r\n`)).toMatch(/^HTTP\/1.1 400 /)
    }
  },
)

test.each([
  [
    'createUser',
    `mutation ($e: String = "a@b.c") { createUser(input: { email: $e, password: "${CANARY}" }) { __typename } }`,
    'input',
  ],
  ['nodes', `query ($e: ID = "x") { nodes(ids: [$e, "${CANARY}"]) { id } }`, 'ids'],
  ['balances', `query ($e: ID = "x") { balances(accountIds: ["${CANARY}", $e]) { amount } }`, 'accountIds'],
  ['entryPosted', `subscription ($e: ID = "x") { entryPosted(accountId: $e) { id } }`, 'accountId'],
])('a literal with a variable in it that is null is not repeated: %s', async (_field, query, path) => {
  const { json } = await sendJson({ query, variables: { e: null } })
  expect(json.errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ path }] } }])
})

test.each(['@skip(if: true)', '@include(if: false)', '@include(if: true)'])(
  'the field of a subscription takes no condition: %s',
  async (directive) => {
    const query = `subscription { entryPosted(accountId: "${randomUUID()}") ${directive} { sequence } }`
    const { json } = await sendJson({ query })
    expect(json.errors?.[0]?.message).toMatch(/cannot have @skip/)
  },
)
