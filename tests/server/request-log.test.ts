import { randomUUID } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { breakReads } from '../support/faults.ts'
import { openClient, openSocket, openStream, refusalOf } from '../support/graphql-transport.ts'
import { type Person, signUp } from '../support/rights.ts'
import { serverForTest, type TestServer, useServer } from '../support/server.ts'

/* One line for each request or operation: what it was, whose, how it ended, and the id that the client has too. */

const server = useServer({ LOG_LEVEL: 'debug' })
let ada: Person
let emmy: Person
beforeAll(async () => {
  ada = await signUp(server, 'ada')
  emmy = await signUp(server, 'emmy')
})

// biome-ignore lint/suspicious/noExplicitAny: a line has what it has
type Line = Record<string, any>

const linesOf = ({ logged }: TestServer, requestId: string): Line[] =>
  logged.map((line) => JSON.parse(line)).filter((line) => line.requestId === requestId)

/** The line of a request, which is written once its answer has gone out. */
async function lineOf(requestId: string, message = 'request', from = server): Promise<Line> {
  return vi.waitFor(() => {
    const lines = linesOf(from, requestId).filter(({ msg }) => msg === message)
    expect(lines).toHaveLength(1)
    return lines[0] as Line
  })
}

function post(body: unknown, headers: Record<string, string> = {}, path = '/graphql'): Promise<Response> {
  return fetch(server.address + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...ada.authorization, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

const idOf = ({ headers }: Response) => headers.get('x-request-id') as string

const TRANSFER = `mutation Pay($input: TransferInput!) {
  transfer(input: $input) { __typename }
}`
const transferOf = (amount: number) => ({
  query: TRANSFER,
  variables: {
    input: { idempotencyKey: randomUUID(), sourceAccountId: ada.id, destinationAccountId: emmy.id, amount },
  },
})

describe('the line of a request', () => {
  test('has the operation, the viewer, the status, the cost and the time', async () => {
    const response = await post({ query: 'query Mine { viewer { id email } }' })
    expect(await lineOf(idOf(response))).toEqual({
      level: 30,
      time: expect.any(Number),
      requestId: idOf(response),
      transport: 'http',
      type: 'query',
      operation: 'Mine',
      viewer: `USER ${ada.id.replace('user_', '')}`,
      status: 200,
      result: 'ok',
      durationMs: expect.any(Number),
      cost: expect.any(Number),
      msg: 'request',
    })
  })

  test('has the code of a refusal, whether the client asked for it or not, and the names of variables', async () => {
    const line = await lineOf(idOf(await post(transferOf(100))))
    expect(line).toMatchObject({
      type: 'mutation',
      operation: 'Pay',
      status: 200,
      result: 'refused',
      codes: ['INSUFFICIENT_FUNDS'],
      variables: ['input'],
    })
  })

  test('has the code of bad input, of a document that is refused, and of rights', async () => {
    const codesOf = async (body: unknown) => (await lineOf(idOf(await post(body)))).codes
    expect(await codesOf(transferOf(0))).toEqual(['VALIDATION'])
    expect(await codesOf({ query: '{ ledger { userCount } }' })).toEqual(['FORBIDDEN'])
    expect(await codesOf({ query: '{ nothing }' })).toHaveLength(1)
    expect(await codesOf({ query: 'query ($id: ID!) { user(id: $id) { id } }', variables: {} })).toEqual([
      'BAD_USER_INPUT',
    ])
  })

  test('has the codes of many postings, each once', async () => {
    const bad = { transfer: transferOf(100).variables.input }
    const query = 'mutation Many($input: PostTransactionsInput!) { postTransactions(input: $input) { __typename } }'
    const transactions = Array.from({ length: 20 }, () => ({
      transfer: { ...bad.transfer, idempotencyKey: randomUUID() },
    }))
    const response = await post({ query, variables: { input: { atomic: false, transactions } } })
    expect(await lineOf(idOf(response))).toMatchObject({ operation: 'Many', codes: ['INSUFFICIENT_FUNDS'] })
  })

  test('has no value of a variable, and a long name is cut', async () => {
    const name = 'N'.repeat(5_000)
    const response = await post({
      query: `query ${name}($id: ID!) { user(id: $id) { id } }`,
      variables: { id: 'user_rosebud-rosebud' },
    })
    const line = await lineOf(idOf(response))
    expect(line.operation).toBe('N'.repeat(100))
    expect(server.logged.join()).not.toContain('rosebud')
  })

  test('is the same by the long way, and of a stranger', async () => {
    const url = `/graphql?query=${encodeURIComponent('query Who { viewer { id } }')}`
    const response = await fetch(server.address + url, { headers: { accept: 'application/json' } })
    await response.text()
    expect(await lineOf(idOf(response))).toMatchObject({
      type: 'query',
      operation: 'Who',
      viewer: 'nobody',
      status: 200,
    })
  })

  test('says when the client had gone', async () => {
    const requestId = randomUUID()
    const { port } = new URL(server.address)
    const request = httpRequest({
      port,
      method: 'POST',
      path: '/graphql',
      headers: { 'content-type': 'application/json', 'content-length': 100, 'x-request-id': requestId },
    })
    request.on('error', () => {})
    await new Promise((resolve) => request.write('{', resolve))
    request.destroy()
    expect(await lineOf(requestId)).toMatchObject({ result: 'aborted' })
  })
})

describe('the id of a request', () => {
  const VALID = [
    '018f0000-0000-7000-8000-000000000001',
    'Root=1-67891233-abcdef012345678912345678',
    'a'.repeat(128),
    'A/b+c=',
  ]
  test.each(VALID)('is the one that it brings: %s', async (id) => {
    const response = await post({ query: '{ viewer { id } }' }, { 'x-request-id': id })
    expect(idOf(response)).toBe(id)
    await lineOf(id)
  })

  const BAD = ['', 'a'.repeat(129), 'two words', 'a,b', '"quoted"', 'a;b', '<b>', 'a\\b']
  test.each(BAD)('is a new one in place of "%s"', async (id) => {
    const made = idOf(await post({ query: '{ viewer { id } }' }, { 'x-request-id': id }))
    expect(made).toMatch(/^[0-9a-f]{12}-[0-9a-z]+$/)
    expect(made).not.toBe(id)
  })

  test('is a new one for each', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, async () => idOf(await post({ query: '{ __typename }' }))))
    expect(new Set(ids).size).toBe(20)
  })

  const JSON_TYPE = { 'content-type': 'application/json' }
  const ANSWERS: readonly (readonly [name: string, path: string, init: RequestInit, status: number])[] = [
    ['health', '/health', {}, 200],
    ['metrics, refused', '/metrics', {}, 401],
    ['a path that is not there', '/nowhere', {}, 404],
    ['the root', '/', { redirect: 'manual' }, 302],
    ['the page', '/graphql', { headers: { accept: 'text/html' } }, 200],
    ['a preflight', '/graphql', { method: 'OPTIONS' }, 204],
    ['another method', '/graphql', { method: 'PUT' }, 405],
    ['another type', '/graphql', { method: 'POST', body: 'a' }, 415],
    ['a body that is no JSON', '/graphql', { method: 'POST', body: '{', headers: JSON_TYPE }, 400],
    [
      'a body that is too large',
      '/graphql',
      { method: 'POST', body: 'a'.repeat(2 ** 20 + 1), headers: JSON_TYPE },
      413,
    ],
    [
      'a bad token',
      '/graphql',
      { method: 'POST', body: '{}', headers: { ...JSON_TYPE, authorization: 'Bearer nonsense' } },
      401,
    ],
  ]
  test.each(ANSWERS)('is a header of every answer: %s', async (_name, path, init, status) => {
    const response = await fetch(server.address + path, init)
    await response.arrayBuffer()
    expect([response.status, idOf(response)]).toEqual([status, expect.stringMatching(/^[0-9a-f]{12}-[0-9a-z]+$/)])
    const line = await lineOf(idOf(response))
    expect(line).toMatchObject({ status, level: path === '/health' ? 20 : 30 })
  })

  test('is a header of the answer to a handshake, given and refused, and may be read by pages of the allow-list', async () => {
    const client = await openSocket(server.socketEndpoint, { headers: { 'x-request-id': 'my-socket' } })
    client.webSocket.close(1000)
    await lineOf('my-socket', 'socket closed')
    expect(
      await refusalOf(server.socketEndpoint.replace('graphql', 'nowhere'), { headers: { 'x-request-id': 'lost' } }),
    ).toBe(404)
    expect(await lineOf('lost')).toMatchObject({ status: 404, transport: 'websocket' })

    const open = await serverForTest({ ALLOWED_ORIGINS: 'https://app.example.com' }, server.database)
    const { headers } = await fetch(open.endpoint, {
      method: 'POST',
      headers: { ...JSON_TYPE, origin: 'https://app.example.com' },
      body: '{"query":"{ __typename }"}',
    })
    expect(headers.get('access-control-expose-headers')).toContain('x-request-id')
  })
})

describe('a fault', () => {
  test('is found by the id in its error, on every transport, and is one line however many fields it hits', async () => {
    const broken = await serverForTest()
    const fields = Array.from({ length: 20 }, (_, index) => `f${index}: user(email: "${index}@example.com") { id }`)
    const query = `query Broken { ${fields.join(' ')} }`
    await breakReads(broken.database, 'public', 'users')

    const answer = await broken.ask(query)
    const id = answer.errors?.[0]?.extensions.requestId
    expect(answer.errors).toHaveLength(20)
    for (const { extensions } of answer.errors ?? [])
      expect(extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: id })
    await lineOf(id, 'request', broken)
    const ofFault = linesOf(broken, id).filter(({ msg }) => msg === 'an operation failed')
    expect(ofFault).toMatchObject([{ level: 50, count: 20, operation: 'Broken', err: { cause: { code: '22012' } } }])
    expect(ofFault[0]?.err.cause.stack).toBeUndefined()

    const long = await fetch(`${broken.endpoint}?query=${encodeURIComponent(query)}`, { headers: broken.authorization })
    const { errors } = (await long.json()) as { errors: { extensions: unknown }[] }
    expect(errors[0]?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: idOf(long) })

    const client = await openClient(broken.socketEndpoint, { headers: { 'x-request-id': 'a-socket' } })
    client.subscribe('one', { query })
    const { payload } = await client.waitForMessage()
    expect(payload.errors[0].extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', requestId: 'a-socket.1' })
    await vi.waitFor(() =>
      expect(linesOf(broken, 'a-socket.1').map(({ msg }) => msg)).toEqual(['an operation failed', 'request']),
    )
  })

  test('that comes again and again is bounded by the second', async () => {
    const broken = await serverForTest()
    await breakReads(broken.database, 'public', 'users')
    await Promise.all(Array.from({ length: 200 }, () => broken.ask('{ user(email: "a@example.com") { id } }')))
    const faults = (): Line[] => broken.errorLines().map((line) => JSON.parse(line))
    const count = (lines: Line[]) => lines.reduce((sum, line) => sum + (line.count ?? 1), 0)
    await vi.waitFor(() => expect(count(faults())).toBe(200))
    expect(faults().length).toBeLessThan(200)
  })
})

describe('a socket', () => {
  test('is logged with whose it is, every operation on it, and the code that it was closed with', async () => {
    const token = ada.authorization.authorization.replace('Bearer ', '')
    const client = await openClient(server.socketEndpoint, { token, headers: { 'x-request-id': 'watching' } })
    const viewer = `USER ${ada.id.replace('user_', '')}`
    expect(await lineOf('watching', 'socket connected')).toMatchObject({ viewer })

    client.subscribe('a', { query: 'query Mine { viewer { id } }' })
    await client.drain()
    expect(await lineOf('watching.1')).toMatchObject({
      transport: 'websocket',
      operation: 'Mine',
      viewer,
      result: 'ok',
    })

    client.subscribe('b', { query: '{ nothing }' })
    await client.waitForMessage()
    expect(await lineOf('watching.2')).toMatchObject({ result: 'refused' })

    const query = `subscription Watch { entryPosted(accountId: "${ada.id}") { sequence } }`
    client.subscribe('c', { query })
    expect(await lineOf('watching.3', 'subscription began')).toMatchObject({ operation: 'Watch', type: 'subscription' })
    client.send({ type: 'complete', id: 'c' })
    expect(await lineOf('watching.3', 'subscription ended')).toMatchObject({ operation: 'Watch', result: 'ok' })

    client.subscribe('d', { query })
    await lineOf('watching.4', 'subscription began')
    client.webSocket.close(4321, 'rosebud')
    await lineOf('watching.4', 'subscription ended')
    expect(await lineOf('watching', 'socket closed')).toMatchObject({ viewer, code: 4321 })
    expect(server.logged.join()).not.toContain('rosebud')
  })
})

test('an event stream is logged when it begins and when it ends', async () => {
  const query = `subscription Watch { entryPosted(accountId: "${ada.id}") { sequence } }`
  const client = await openStream(server.endpoint, { query })
  const id = idOf(client.response)
  expect(await lineOf(id, 'subscription began')).toMatchObject({ transport: 'event-stream', operation: 'Watch' })
  client.abort()
  expect(await lineOf(id, 'subscription ended')).toMatchObject({ status: 200, result: 'ok', transport: 'event-stream' })
})

test('a quiet log says nothing of requests, and answers the id all the same', async () => {
  const quiet = await serverForTest({ LOG_LEVEL: 'warn' }, server.database)
  const response = await fetch(`${quiet.endpoint}?query={__typename}`, { headers: quiet.authorization })
  expect(idOf(response)).toMatch(/./)
  await response.text()
  expect(quiet.logged).toEqual([])
})
