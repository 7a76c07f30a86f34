import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { openClient } from '../support/graphql-transport.ts'
import { serverForTest, type TestServer, useServer } from '../support/server.ts'
import { makePerson } from '../support/sign-in.ts'

/* What belongs to a connection ends with it, and what waits for its client is bounded. */

const server = useServer()
let account: string
beforeAll(async () => {
  account = (await makePerson(server, { password: null })).id
  const query = 'mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) { __typename } }'
  const transactions = Array.from({ length: 100 }, () => ({
    deposit: { idempotencyKey: randomUUID(), accountId: account, amount: 1 },
  }))
  const { data } = await server.ask(query, { input: { atomic: true, transactions } })
  expect(data.postTransactions.__typename).toBe('PostTransactionsSuccess')
})

const watch = () => ({
  query: 'subscription ($accountId: ID!) { entryPosted(accountId: $accountId) { sequence } }',
  variables: { accountId: account },
})

const NAMES = Array.from({ length: 80 }, (_, at) => 'x'.repeat(95) + at)

/** An answer of a megabyte, most of which is names. */
const fat = () => ({
  query: `query ($id: ID!) { account(id: $id) { transactions(first: 100) { edges { ${NAMES.map((name) => `${name}: id`).join(' ')} } } } }`,
  variables: { id: account },
})

const GET = 'GET /graphql?query={__typename} HTTP/1.1\r\nhost: localhost\r\n\r\n'

function post(body: object, headers: Record<string, string> = {}, { authorization } = server.authorization): string {
  const text = JSON.stringify(body)
  const lines = {
    host: 'x',
    'content-type': 'application/json',
    'content-length': text.length,
    authorization,
    ...headers,
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST /graphql HTTP/1.1\r\n${head.join('')}\r\n${text}`
}

const postStream = () => post(watch(), { accept: 'text/event-stream' })

/** A connection on which requests were sent in one write; nothing of their answers is read yet. */
async function pipeline(on: TestServer, requests: string): Promise<Socket> {
  const socket = connect(Number(new URL(on.address).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.pause()
  socket.write(requests)
  return socket
}

async function readToEnd(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  // Not `once`, which fails when the connection is reset.
  await new Promise((resolve) => socket.resume().once('close', resolve))
  return text
}

async function gauge(name: string, on = server): Promise<number> {
  const response = await fetch(`${on.address}/metrics`, { headers: on.authorization })
  const line = (await response.text()).split('\n').find((line) => line.startsWith(`thesaurum_${name} `))
  return Number(line?.split(' ')[1])
}

/** The request that asks for metrics is in flight itself. */
const expectNothingLeft = () =>
  vi.waitFor(async () => {
    const names = ['account_subscribers', 'watched_tokens', 'requests_in_flight', 'unread_bytes']
    expect(await Promise.all(names.map((name) => gauge(name)))).toEqual([0, 0, expect.any(Number), 0])
    expect(await gauge('requests_in_flight')).toBe(1)
  })

test('requests that wait behind another end with their connection', async () => {
  const socket = await pipeline(server, postStream() + GET.repeat(90))
  await once(socket.resume(), 'data')
  await vi.waitFor(async () => expect(await gauge('requests_in_flight')).toBe(92))
  socket.resetAndDestroy()
  await expectNothingLeft()
})

test('event streams that wait behind another end with their connection', async () => {
  const socket = await pipeline(server, postStream().repeat(50))
  await vi.waitFor(async () => expect(await gauge('account_subscribers')).toBe(50))
  socket.destroy()
  await expectNothingLeft()
})

test('a connection that has too many requests in flight is told so and closed', async () => {
  const narrow = await serverForTest({ REQUESTS_PER_CONNECTION_MAX: '3' }, server.database)
  const four = await readToEnd(await pipeline(narrow, GET.repeat(4)))
  expect(four.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 429'])
  expect(four).toContain('"TOO_MANY_REQUESTS"')
  // One that goes on all the same is cut at once.
  expect(await readToEnd(await pipeline(narrow, GET.repeat(40)))).not.toContain('429')
  // One after the other, any number is answered.
  const socket = await pipeline(narrow, '')
  socket.resume()
  for (let count = 0; count < 10; count++) {
    socket.write(GET)
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200/)
  }
})

/** Nothing is cut for taking too long, only for leaving too much. */
const PATIENT = { UNREAD_TIMEOUT_MS: '3600000' }

/** Waits until the server has cut one of these connections, which read nothing: it shows only in what is written on them. */
const cutOf = (...sockets: Socket[]) =>
  vi.waitFor(
    () => {
      for (const socket of sockets) socket.write('\r\n')
      expect(sockets.some(({ destroyed }) => destroyed)).toBe(true)
    },
    { interval: 100 },
  )

test('a connection whose answers are not read is cut, and one that is read is not', async () => {
  const narrow = await serverForTest({ ...PATIENT, UNREAD_BYTES_PER_CONNECTION_MAX: String(2 ** 20) }, server.database)
  const deaf = await pipeline(narrow, post(fat()).repeat(15))
  const reading = await pipeline(narrow, post(fat(), { connection: 'close' }))
  expect(await readToEnd(reading)).toMatch(/^HTTP\/1.1 200 .*x79":.*\}$/s)
  await cutOf(deaf)
})

test('connections of one viewer share a bound, and the others do not notice', async () => {
  // None of them is cut for what it leaves unread alone.
  const bounds = { UNREAD_BYTES_PER_CONNECTION_MAX: String(2 ** 30), UNREAD_BYTES_PER_VIEWER_MAX: String(2 ** 20) }
  const narrow = await serverForTest({ ...PATIENT, ...bounds }, server.database)
  const deaf = await Promise.all(Array.from({ length: 3 }, () => pipeline(narrow, post(fat()).repeat(15))))
  await cutOf(...deaf)
  expect(await narrow.ask('{ __typename }', {}, {})).toEqual({ data: { __typename: 'Query' } })
})

test('bodies that are not sent completely count as bytes that wait, until they are complete', async () => {
  const narrow = await serverForTest({ ...PATIENT, UNREAD_BYTES_OF_STRANGERS_MAX: String(2 ** 20) }, server.database)
  const body = JSON.stringify({ query: '{ __typename }', extensions: { filling: 'x'.repeat(400_000) } })
  const head = `POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`
  const first = await pipeline(narrow, head + body.slice(0, -1))
  await vi.waitFor(async () => expect(await gauge('unread_bytes', narrow)).toBe(body.length - 1))
  first.write('}')
  expect(await readToEnd(first)).toMatch(/^HTTP\/1.1 200 /)
  expect(await gauge('unread_bytes', narrow)).toBe(0)
  // Three of them are more than strangers may have together.
  const three = await Promise.all([1, 2, 3].map(() => pipeline(narrow, head + body.slice(0, -1))))
  for (const socket of three) socket.resume()
  await Promise.race(three.map((socket) => once(socket, 'close')))
  await vi.waitFor(async () => expect(await gauge('unread_bytes', narrow)).toBe(2 * (body.length - 1)))
})

test('a client has as many connections as it may have, and can open another when one ends', async () => {
  const narrow = await serverForTest({ CONNECTIONS_PER_CLIENT_MAX: '3' }, server.database)
  const open = [await pipeline(narrow, GET), await pipeline(narrow, GET), await pipeline(narrow, GET)]
  for (const socket of open) expect(String((await once(socket.resume(), 'data'))[0])).toMatch(/^HTTP\/1.1 200/)
  expect(await readToEnd(await pipeline(narrow, GET))).toBe('')
  open[0]?.destroy()
  await vi.waitFor(async () => {
    const socket = await pipeline(narrow, GET.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'))
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1.1 200/)
  })
})

test('connections through a trusted proxy are not counted', async () => {
  const narrow = await serverForTest({ CONNECTIONS_PER_CLIENT_MAX: '1', TRUSTED_PROXY_COUNT: '1' }, server.database)
  for (const socket of [await pipeline(narrow, GET), await pipeline(narrow, GET)])
    expect(String((await once(socket.resume(), 'data'))[0])).toMatch(/^HTTP\/1.1 200/)
})

test('a WebSocket whose answers are not read is closed', async () => {
  const narrow = await serverForTest({ ...PATIENT, UNREAD_BYTES_PER_CONNECTION_MAX: String(2 ** 20) }, server.database)
  const client = await openClient(narrow.socketEndpoint)
  client.webSocket.pause()
  for (let id = 0; id < 25; id++) client.subscribe(String(id), fat())
  // The one that asks for metrics.
  await vi.waitFor(async () => expect(await gauge('connections', narrow)).toBe(1))
  client.webSocket.resume()
  // It was cut before it had read the reason.
  expect([1006, 4413]).toContain((await client.waitForClose()).code)
})

test('an id that is completed and taken again at once is the second operation, and the first is gone', async () => {
  const client = await openClient(server.socketEndpoint)
  for (let id = 0; id < 20; id++) {
    client.subscribe(String(id), watch())
    client.send({ type: 'complete', id: String(id) })
    client.subscribe(String(id), watch())
  }
  await vi.waitFor(async () => expect(await gauge('account_subscribers')).toBe(20))
  await client.drain()
  await server.ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${account}", amount: 1 }) { __typename } }`,
  )
  const ids: string[] = []
  for (let count = 0; count < 20; count++) {
    const { type, id } = await client.waitForMessage()
    expect(type).toBe('next')
    ids.push(id as string)
  }
  expect(new Set(ids).size).toBe(20)
  for (const id of ids) client.send({ type: 'complete', id })
  await vi.waitFor(async () => expect(await gauge('account_subscribers')).toBe(0))
  // A query as well, and an operation that is refused.
  client.subscribe('query', { query: '{ __typename }' })
  client.send({ type: 'complete', id: 'query' })
  client.subscribe('query', { query: '{ viewer { nothing } }' })
  client.send({ type: 'complete', id: 'query' })
  client.subscribe('query', { query: '{ again: __typename }' })
  expect(await client.waitForMessage()).toMatchObject({
    type: 'next',
    id: 'query',
    payload: { data: { again: 'Query' } },
  })
  expect(await client.waitForMessage()).toMatchObject({ type: 'complete', id: 'query' })
  client.webSocket.terminate()
  await expectNothingLeft()
})
