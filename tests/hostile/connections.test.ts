import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { openSocket, PROTOCOL } from '../support/graphql-transport.ts'
import { PRODUCTION } from '../support/production.ts'
import { type Measure, type MeasuredServer, openMeasuredServer } from './support/measured-server.ts'

/* What one connection may cost: requests that are never answered, answers that nobody reads, subscriptions whose client has gone. */

const MIB = 2 ** 20
/** Over what it had before, a minute after an attack at the latest. */
const RSS_GROWTH_MAX = 64 * MIB
/** During an attack, with a heap of 256 MiB. */
const PEAK_RSS_MAX = 700 * MIB
/** On a machine that is otherwise idle. */
const LATENCY_MS_MAX = 200
const SETTLING_MS = 60_000

vi.setConfig({ testTimeout: 180_000 })

let server: MeasuredServer
let quiet: Measure
let account: string

/** A server of its own for each attack: one that dies takes no other test with it. */
beforeEach(async () => {
  // Idle connections that are kept alive are none of the attack's doing.
  server = await openMeasuredServer({ environment: { ...PRODUCTION, KEEP_ALIVE_MS: '2000' } })
  const { data } = await server.ask(
    'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { id } } } }',
    { email: `${randomUUID()}@example.com` },
    server.token,
  )
  account = data.createUser.user.id
  await post(200)
  // Once each, so that what is loaded and compiled by a first time is not counted.
  for (let round = 0; round < 20; round++) await server.ask(FAT, { id: account }, server.token)
  quiet = await server.measure()
})
afterEach(() => server.close())

/** An answer of 0.9 MB, most of which is names. */
const FAT = `query ($id: ID!) { account(id: $id) { transactions(first: 100) { edges { ${Array.from(
  { length: 55 },
  (_, at) => `${'x'.repeat(95)}${at}: id`,
).join(' ')} } } } }`

async function post(count: number): Promise<void> {
  const query = 'mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) { __typename } }'
  const transactions = Array.from({ length: count }, () => ({
    deposit: { idempotencyKey: randomUUID(), accountId: account, amount: 1 },
  }))
  const { data } = await server.ask(query, { input: { atomic: true, transactions } }, server.token)
  expect(data.postTransactions.__typename).toBe('PostTransactionsSuccess')
}

function request(body: object, headers: Record<string, string> = {}): string {
  const text = JSON.stringify(body)
  const lines = {
    host: 'localhost',
    'content-type': 'application/json',
    authorization: `Bearer ${server.token}`,
    'content-length': Buffer.byteLength(text),
    ...headers,
  }
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST /graphql HTTP/1.1\r\n${head.join('')}\r\n${text}`
}

async function openTcp(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => {})
  return socket
}

/** Sends requests in one write; the connection is paused: nothing of the answers is read beyond what the kernel takes. */
async function pipeline(requests: readonly string[]): Promise<Socket> {
  const socket = await openTcp()
  socket.pause()
  socket.write(requests.join(''))
  return socket
}

/** A socket that is ready for operations, and reads nothing from then on. */
async function openDeafWebSocket(): Promise<WebSocket> {
  const webSocket = new WebSocket(server.socketEndpoint, PROTOCOL)
  onTestFinished(() => webSocket.terminate())
  webSocket.on('error', () => {})
  await once(webSocket, 'open')
  webSocket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${server.token}` } }))
  await once(webSocket, 'message')
  webSocket.pause()
  return webSocket
}

async function gauge(name: string): Promise<number> {
  const response = await fetch(`${server.address}/metrics`, { headers: { authorization: `Bearer ${server.token}` } })
  const line = (await response.text()).split('\n').find((line) => line.startsWith(`thesaurum_${name} `))
  return Number(line?.split(' ')[1])
}

const watch = (fields = 'sequence') => ({
  query: `subscription ($accountId: ID!, $since: String) { entryPosted(accountId: $accountId, since: $since) { ${fields} } }`,
  variables: { accountId: account },
})

/** Attacks, while the server answers others; then nothing of the attack is left within a minute. */
async function attack(run: () => Promise<unknown>): Promise<void> {
  const before = await server.measure()
  const health = server.probe('/livez')
  onTestFinished(() => void health.stop())
  await run()
  const attacked = await server.measure()
  let after = attacked
  const started = performance.now()
  const timers = ({ resources }: Measure) => resources.Timeout ?? 0
  const isOver = async () => {
    after = await server.measure()
    const left = (await gauge('account_subscribers')) + (await gauge('watched_tokens')) + (await gauge('unread_bytes'))
    // Those of the probe and of the metrics stay. Timers of the database's pools come and go by themselves.
    return (
      left === 0 &&
      (await gauge('connections')) <= 5 &&
      timers(after) <= timers(quiet) + 20 &&
      after.rssBytes - quiet.rssBytes < RSS_GROWTH_MAX
    )
  }
  while (!(await isOver()) && performance.now() - started < SETTLING_MS) await sleep(1_000)
  const { failures, maxMs, medianMs } = await health.stop()
  const mib = (bytes: number) => Math.round(bytes / MIB)
  const figures = {
    beforeMiB: mib(before.rssBytes),
    peakMiB: mib(attacked.peakRssBytes),
    afterMiB: mib(after.rssBytes),
    heapMiB: mib(after.heapBytes),
    settledMs: Math.round(performance.now() - started),
    livezMedianMs: Math.round(medianMs),
    livezMaxMs: Math.round(maxMs),
    stopMs: Math.round(attacked.stopMsMax),
    subscribers: await gauge('account_subscribers'),
    watched: await gauge('watched_tokens'),
    connections: await gauge('connections'),
    inFlight: await gauge('requests_in_flight'),
    timers: [timers(before), timers(attacked), timers(after)],
  }
  if (process.env.FIGURES) console.log(expect.getState().currentTestName, JSON.stringify(figures))
  expect(await isOver(), JSON.stringify(figures)).toBe(true)
  expect(failures, JSON.stringify(figures)).toBe(0)
  expect(attacked.peakRssBytes, JSON.stringify(figures)).toBeLessThan(PEAK_RSS_MAX)
  expect(maxMs, JSON.stringify(figures)).toBeLessThan(LATENCY_MS_MAX)
  expect(server.complaints()).toEqual([])
}

test('400 requests behind one that is answered late, and a reset, 300 times', () =>
  attack(async () => {
    const get = 'GET /graphql?query={__typename} HTTP/1.1\r\nhost: localhost\r\n\r\n'
    for (let time = 0; time < 300; time++) {
      const socket = await pipeline([request(watch(), { accept: 'text/event-stream' }), get.repeat(400)])
      // It is answered, or cut for asking too much at once.
      await new Promise((resolve) => socket.resume().once('data', resolve).once('close', resolve))
      socket.resetAndDestroy()
    }
  }))

test('a WebSocket that sends pings of 64 KB and never reads', () =>
  attack(async () => {
    const socket = await openTcp()
    socket.write(
      'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    )
    await once(socket, 'data')
    socket.pause()
    const payload = Buffer.from(JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(65_000) } }))
    // Masked by zeros, it is what it was.
    const frame = Buffer.concat([
      Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]),
      payload,
    ])
    const ends = performance.now() + 6_000
    while (performance.now() < ends && !socket.destroyed) {
      if (!socket.write(frame)) await Promise.race([once(socket, 'drain').catch(() => {}), sleep(1_000)])
    }
  }))

test('a WebSocket that sends control pings and never reads', () =>
  attack(async () => {
    const webSocket = await openDeafWebSocket()
    const ends = performance.now() + 6_000
    while (performance.now() < ends && webSocket.readyState === webSocket.OPEN) {
      for (let count = 0; count < 5_000; count++) webSocket.ping(Buffer.alloc(125))
      await sleep(10)
      while (webSocket.bufferedAmount > 10 * MIB && performance.now() < ends) await sleep(10)
    }
  }))

test('160 answers of 0.9 MB that nobody reads, on one connection and on 160', () =>
  attack(async () => {
    const fat = request({ query: FAT, variables: { id: account } })
    const sockets = [await pipeline(Array(160).fill(fat))]
    for (let count = 0; count < 160; count++) sockets.push(await pipeline([fat]))
    await sleep(20_000)
  }))

test('160 clients that connect at once, and ask for 0.9 MB each', () =>
  attack(async () => {
    const fat = request({ query: FAT, variables: { id: account } }, { connection: 'close' })
    await Promise.all(
      Array.from({ length: 160 }, async () => {
        const socket = connect(server.port, '127.0.0.1')
        onTestFinished(() => void socket.destroy())
        socket.write(fat)
        await once(socket.resume(), 'close')
      }),
    )
  }))

test('answers that nobody reads, asked for by 100 operations of one WebSocket', () =>
  attack(async () => {
    const webSocket = await openDeafWebSocket()
    for (let count = 0; count < 100; count++) {
      const payload = { query: FAT, variables: { id: account } }
      webSocket.send(JSON.stringify({ type: 'subscribe', id: String(count), payload }))
    }
    await sleep(20_000)
  }))

test('event streams that nobody reads', () =>
  attack(async () => {
    const { data } = await server.ask(`{ account(id: "${account}") { balance { cursor } } }`, {}, server.token)
    const { query } = watch(`sequence ${Array.from({ length: 100 }, (_, at) => `f${at}: id`).join(' ')}`)
    const variables = { accountId: account, since: data.account.balance.cursor }
    const streams: Socket[] = []
    for (let count = 0; count < 50; count++) {
      streams.push(await pipeline([request({ query, variables }, { accept: 'text/event-stream' })]))
    }
    for (let round = 0; round < 20; round++) await post(1_000)
  }))

test('50 pipelined event streams, and a reset, 20 times', () =>
  attack(async () => {
    const stream = request(watch(), { accept: 'text/event-stream' })
    for (let time = 0; time < 20; time++) {
      const socket = await pipeline(Array(50).fill(stream))
      await once(socket.resume(), 'data')
      await vi.waitFor(async () => expect(await gauge('account_subscribers')).toBeGreaterThan(0))
      socket.resetAndDestroy()
    }
  }))

test('subscribe, complete, subscribe with one id at once, 400 times', () =>
  attack(async () => {
    for (let time = 0; time < 20; time++) {
      const client = await openSocket(server.socketEndpoint)
      client.send({ type: 'connection_init', payload: { authorization: `Bearer ${server.token}` } })
      await client.waitForMessage()
      for (let id = 0; id < 20; id++) {
        client.subscribe(String(id), watch())
        client.send({ type: 'complete', id: String(id) })
        client.subscribe(String(id), watch())
      }
      await client.drain()
      client.webSocket.terminate()
    }
  }))

test('50 WebSockets that do not answer a close frame are cut', () =>
  attack(async () => {
    const sockets = await Promise.all(Array.from({ length: 50 }, openDeafWebSocket))
    for (const webSocket of sockets) webSocket.send('{}')
    await sleep(3_000)
    expect(await gauge('connections')).toBeLessThan(50)
  }))
