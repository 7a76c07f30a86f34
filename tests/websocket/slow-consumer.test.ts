import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openWebSocket } from '../../src/server/websocket/websocket.ts'
import { createTestConnections } from '../support/connections.ts'
import { deposit } from '../support/faults.ts'
import { OPERATOR, openTestGraphql, silentRequestLog } from '../support/graphql.ts'
import { openClient } from '../support/graphql-transport.ts'
import { makeAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'
import { serverForTest } from '../support/server.ts'

/* Clients that stop reading, or are not there any more: they are let go, and the others do not notice. */

// What the stalled client leaves unread is not to be timed: the machine may be slow.
const { ledger, server } = useLedgerAndServer({ UNREAD_TIMEOUT_MS: '3600000' })

/** Enough in each event to fill the buffers of a socket soon. */
const FAT = Array.from(
  { length: 40 },
  (_, at) => `f${at}: transaction { id kind amount createdAt destination { id } }`,
).join(' ')
const watch = (fields = '') => `subscription ($accountId: ID!, $since: String) {
  entryPosted(accountId: $accountId, since: $since) { cursor sequence ${fields} } }`

async function cursorOf(accountId: string): Promise<string> {
  const { data } = await server.ask(`{ account(id: "${accountId}") { balance { cursor } } }`)
  return data.account.balance.cursor
}

async function postEntries(accountId: string, count: number): Promise<void> {
  const query = `mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) { __typename } }`
  for (let posted = 0; posted < count; posted += 100) {
    const transactions = Array.from({ length: 100 }, () => ({
      deposit: { idempotencyKey: randomUUID(), accountId, amount: 1 },
    }))
    const { data } = await server.ask(query, { input: { atomic: true, transactions } })
    expect(data.postTransactions.__typename).toBe('PostTransactionsSuccess')
  }
}

/** A client that takes nothing answers no ping either: on a slow machine it would be let go for that. */
function stopPings(): void {
  vi.useFakeTimers({ toFake: ['setInterval'] })
  onTestFinished(() => void vi.useRealTimers())
}

test('a stalled client is dropped while 5,000 entries flow: it may resume, and the others do not notice', async () => {
  stopPings()
  const [account] = await makeAccounts(ledger, 1)
  const stalled = await openClient(server.socketEndpoint)
  const reading = await openClient(server.socketEndpoint)
  const since = await cursorOf(account)
  stalled.subscribe('watch', { query: watch(FAT), variables: { accountId: account, since } })
  reading.subscribe('watch', { query: watch(), variables: { accountId: account, since } })
  await Promise.all([stalled.drain(), reading.drain()])
  const { _socket: socket } = stalled.webSocket as unknown as { _socket: Socket }
  socket.pause()
  const all = (async () => {
    const sequences: number[] = []
    while (sequences.length < 5_000) {
      sequences.push((await reading.waitForMessage()).payload.data.entryPosted.sequence)
    }
    return sequences
  })()
  await postEntries(account, 5_000)
  expect(await all).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1))

  socket.resume()
  let last = 0
  for (;;) {
    const { type, payload } = await stalled.waitForMessage()
    expect(type).toBe('next')
    if (payload.errors) {
      expect(payload.errors).toMatchObject([{ extensions: { code: 'SLOW_CONSUMER', retryable: true } }])
      const { cursor } = payload.errors[0].extensions
      expect(await stalled.waitForMessage()).toEqual({ type: 'complete', id: 'watch' })
      // It was dropped long before the end, and goes on exactly where it was.
      expect(last).toBeLessThan(4_000)
      stalled.subscribe('again', { query: watch(), variables: { accountId: account, since: cursor } })
      break
    }
    expect(payload.data.entryPosted.sequence).toBe(last + 1)
    last++
  }
  for (let sequence = last + 1; sequence <= 5_000; sequence++) {
    expect((await stalled.waitForMessage()).payload.data.entryPosted.sequence).toBe(sequence)
  }
})

test('a client that has a long backlog to read, and reads it slowly, is not dropped', async () => {
  stopPings()
  const [account] = await makeAccounts(ledger, 1)
  const since = await cursorOf(account)
  await postEntries(account, 3_000)
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: watch(), variables: { accountId: account, since } })
  const { _socket: socket } = client.webSocket as unknown as { _socket: Socket }
  for (let sequence = 1; sequence <= 3_000; sequence++) {
    expect((await client.waitForMessage()).payload.data.entryPosted.sequence).toBe(sequence)
    if (sequence % 500 === 0) {
      socket.pause()
      await postEntries(account, 100)
      socket.resume()
    }
  }
})

test('one socket has so many operations at once, and one too many hurts only itself', async () => {
  const [account] = await makeAccounts(ledger, 1)
  const narrow = await serverForTest({ SUBSCRIPTIONS_PER_SOCKET_MAX: '3' }, ledger.test)
  const client = await openClient(narrow.socketEndpoint)
  const variables = { accountId: account, since: await cursorOf(account) }
  for (const id of ['a', 'b', 'c', 'd']) client.subscribe(id, { query: watch(), variables })
  expect(await client.waitForMessage()).toMatchObject({
    type: 'error',
    id: 'd',
    payload: [{ extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } }],
  })
  client.send({ type: 'complete', id: 'b' })
  client.subscribe('e', { query: watch(), variables })
  await client.drain()
  await narrow.ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${account}", amount: 1 }) { __typename } }`,
  )
  const told = [await client.waitForMessage(), await client.waitForMessage(), await client.waitForMessage()]
  expect(told.map(({ id }) => id).sort()).toEqual(['a', 'c', 'e'])
})

test('a peer that is gone without a word is let go after two pings, and its subscriber with it', async () => {
  // The test says when a ping is sent and when its answer is late, so that no machine is too slow to subscribe before that.
  const PING_INTERVAL_MS = 3_600_000
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const { graphql, auth, close } = await openTestGraphql(ledger)
  onTestFinished(close)
  const http = createServer()
  const sockets = openWebSocket(http, graphql, {
    connections: createTestConnections(),
    log: silentRequestLog(),
    onSocketError: () => {},
    authenticator: auth.authenticator,
    authenticate: () => OPERATOR,
    allowedOrigins: [],
    onError: () => {},
    persistedOperations: undefined,
    subscriptionsMax: 10,
    socketsPerViewerMax: 10,
    pingIntervalMs: PING_INTERVAL_MS,
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as { port: number }
  onTestFinished(async () => {
    await sockets.close()
    http.close()
  })
  const [account] = await makeAccounts(ledger, 1)
  // Not a client: it never answers a ping, as if its network were gone.
  const peer = connect(port, '127.0.0.1')
  onTestFinished(() => void peer.destroy())
  peer.write(
    'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
  )
  await once(peer, 'data')
  const say = (message: object) => {
    const payload = Buffer.from(JSON.stringify(message))
    const mask = Buffer.from([1, 2, 3, 4])
    const masked = payload.map((byte, at) => byte ^ (mask[at % 4] as number))
    const length =
      payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255]
    peer.write(Buffer.concat([Buffer.from([0x81, ...length]), mask, masked]))
  }
  say({ type: 'connection_init' })
  // Until it is acknowledged, whoever subscribes is closed.
  await once(peer, 'data')
  say({ type: 'subscribe', id: 'watch', payload: { query: watch(), variables: { accountId: account } } })
  await vi.waitFor(() => expect(ledger.feed.subscriberCount).toBe(1))
  peer.on('data', () => {})
  const closed = once(peer, 'close')
  const timeouts = vi.spyOn(globalThis, 'setTimeout')
  vi.advanceTimersByTime(PING_INTERVAL_MS)
  const [onLate] = timeouts.mock.calls.find(([, ms]) => ms === PING_INTERVAL_MS) ?? []
  timeouts.mockRestore()
  onLate?.()
  await closed
  await vi.waitFor(() => expect(ledger.feed.subscriberCount).toBe(0))
  await ledger.posting.post(deposit(account, 1n))
})
