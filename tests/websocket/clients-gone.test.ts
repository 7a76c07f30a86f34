import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { toAccountId } from '../../src/db/ids.ts'
import { AccountSubscriber } from '../../src/ledger/feed/account-subscriber.ts'
import { CatchUp } from '../../src/ledger/feed/catch-up.ts'
import type { LedgerEntry } from '../../src/ledger/model/entry.ts'
import type { EntryRange } from '../../src/ledger/model/entry-range.ts'
import { Answer } from '../../src/server/http/connection.ts'
import { createTestConnections } from '../support/connections.ts'
import { deposit, holdSession, openBeside, untilBlocked } from '../support/faults.ts'
import { openTestGraphql } from '../support/graphql.ts'
import { openClient } from '../support/graphql-transport.ts'
import { makeAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'
import { serverForTest } from '../support/server.ts'

/* What is gone, or stands still, is held by nobody and holds nobody up. */

const { ledger, server } = useLedgerAndServer()

test.each(['entryPosted(accountId: "ID") { id }', 'transactionPosted { cursor }'])(
  'a client that goes away while %s is being subscribed leaves no subscriber behind',
  async (field) => {
    const [account] = await makeAccounts(ledger, 1)
    const { graphql, close } = await openTestGraphql(ledger)
    onTestFinished(close)
    const http = createServer((request, response) => void graphql(request, response))
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    onTestFinished(() => void http.close())
    const { port } = http.address() as { port: number }
    const lock = await holdSession(ledger.test, 'lock table accounts, transactions in access exclusive mode')
    const body = JSON.stringify({ query: `subscription { ${field.replace('ID', account)} }` })
    const subscribed = vi.spyOn(field.startsWith('entry') ? ledger.feed : ledger.transactionFeed, 'subscribe')
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    // It has come as far as the lock.
    await vi.waitFor(async () => {
      const { rows } = await ledger.test.pool.query(
        `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      expect(rows[0].count).toBeGreaterThan(0)
    })
    socket.destroy()
    await lock.commit()
    await vi.waitFor(() => expect(subscribed.mock.settledResults).toMatchObject([{ type: 'fulfilled' }]))
    await vi.waitFor(() => {
      expect([ledger.feed.subscriberCount, ledger.transactionFeed.subscriberCount]).toEqual([0, 0])
    })
    subscribed.mockRestore()
  },
)

test('an event stream that is not taken is cut, and one that is taken, or has nothing to say, is not', async () => {
  const connections = createTestConnections({ unreadTimeoutMs: 1_000 })
  onTestFinished(() => connections.close())
  const http = createServer({ ServerResponse: Answer }, (request, response) => {
    connections.begin(request, response)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    if (request.url === '/quiet') return void response.write(':\n\n')
    const fill = () => {
      while (response.write('x'.repeat(50_000)));
      response.once('drain', fill)
    }
    fill()
  })
  connections.watch(http)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  const { port } = http.address() as { port: number }
  const open = async (path: string) => {
    const request = get({ port, path, headers: { accept: 'text/event-stream' } })
    request.on('error', () => {})
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.on('error', () => {})
    return response
  }
  const [stalled, reading, quiet] = await Promise.all([open('/stalled'), open('/reading'), open('/quiet')])
  let taken = 0
  reading.on('data', (chunk) => {
    taken += chunk.length
  })
  quiet.resume()
  await vi.waitFor(async () => expect(await connectionCount(http)).toBe(2))
  stalled.destroy()
  const before = taken
  await vi.waitFor(() => expect(taken).toBeGreaterThan(before))
  expect(await connectionCount(http)).toBe(2)
})

const connectionCount = (http: ReturnType<typeof createServer>) =>
  new Promise<number>((resolve) => http.getConnections((_error, count) => resolve(count)))

test('an operation that cannot be begun hurts itself alone, in a fragment too', async () => {
  const [account] = await makeAccounts(ledger, 1)
  const client = await openClient(server.socketEndpoint)
  const field = `entryPosted(accountId: "${account}")`
  const documents = [
    `subscription { ...F } fragment F on Subscription { ${field} @skip(if: true) { id } }`,
    `subscription { ... on Subscription { ${field} @include(if: false) { id } } }`,
    `subscription { ...F @skip(if: true) } fragment F on Subscription { ${field} { id } }`,
  ]
  for (const [at, query] of documents.entries()) {
    client.subscribe(String(at), { query })
    expect(await client.waitForMessage()).toMatchObject({ type: 'error', id: String(at) })
  }
  client.subscribe('ask', { query: '{ __typename }' })
  expect(await client.waitForMessage()).toMatchObject({ type: 'next', id: 'ask' })
})

test('more operations than a socket may have cannot be had by completing them at once', async () => {
  const narrow = await serverForTest({ SUBSCRIPTIONS_PER_SOCKET_MAX: '3' }, ledger.test)
  const client = await openClient(narrow.socketEndpoint)
  const lock = await holdSession(ledger.test, 'lock table users in access exclusive mode')
  onTestFinished(() => lock.close())
  for (let at = 0; at < 40; at++) {
    client.subscribe(String(at), { query: '{ users(first: 1) { totalCount } }' })
    client.send({ type: 'complete', id: String(at) })
    await client.drain()
  }
  await untilBlocked(ledger.test)
  const { rows } = await ledger.test.pool.query(
    `select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  expect(rows[0].count).toBeLessThanOrEqual(3)
  await lock.commit()
})

test('a subscriber whose reads fail waits for the next try, whatever is pushed meanwhile', async () => {
  let reads = 0
  const entry = (sequence: number) => ({ accountId: 'ada', sequence }) as LedgerEntry
  let isAway = true
  const source = {
    read: async ({ low, high }: EntryRange) => {
      reads++
      if (isAway) throw new Error('the database is away')
      return Array.from({ length: high - low + 1 }, (_, at) => entry(low + at))
    },
    // The others are further on: it has to read up to there.
    join: () => 5,
    leave: () => {},
  }
  const subscriber = new AccountSubscriber(toAccountId('ada'), 0, 0, source, new CatchUp())
  const next = subscriber.next()
  for (let sequence = 6; sequence < 200; sequence++) {
    subscriber.push(entry(sequence))
    await sleep(0)
  }
  expect(reads).toBe(1)
  isAway = false
  subscriber.retry()
  expect((await next).value).toEqual(entry(1))
  for (let sequence = 2; sequence < 200; sequence++) expect((await subscriber.next()).value).toEqual(entry(sequence))
  await subscriber.return()
})

test('a connection for hints that has gone silent keeps no server from closing', async () => {
  const target = new URL(ledger.test.url)
  const sockets: Socket[] = []
  const proxy = createTcpServer((socket) => {
    const through = connect(Number(target.port), target.hostname)
    sockets.push(socket, through)
    for (const one of [socket, through]) one.on('error', () => {})
    socket.pipe(through).pipe(socket)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  const directUrl = Object.assign(new URL(ledger.test.url), {
    port: String((proxy.address() as { port: number }).port),
  })
  directUrl.hostname = '127.0.0.1'
  const beside = await openBeside(ledger.test, { directUrl: directUrl.href })
  const [account] = await makeAccounts(beside, 1)
  await vi.waitFor(() => expect(sockets.length).toBeGreaterThan(0))
  await beside.posting.post(deposit(account, 1n))
  for (const socket of sockets) socket.unpipe().pause()
  await beside.posting.post(deposit(account, 1n))
  await beside.close()
})

test('a listener that cannot listen says so, once', async () => {
  const errors: unknown[] = []
  const directUrl = Object.assign(new URL(ledger.test.url), { pathname: '/nowhere' }).href
  const beside = await openBeside(ledger.test, { directUrl, onError: (error) => errors.push(error) })
  await vi.waitFor(() => expect(errors).toMatchObject([{ code: '3D000' }]))
  await beside.close()
  // What another library reads out of a URL is none of PostgreSQL's business.
  const known = await openBeside(ledger.test, {
    directUrl: `${ledger.test.url}?application_name=x&connect_timeout=5`,
    onError: (error) => errors.push(error),
  })
  await vi.waitFor(async () => {
    const { rows } = await ledger.test.pool.query(
      `select count(*)::int as count from pg_stat_activity where datname = current_database() and query ilike 'listen%'`,
    )
    expect(rows[0].count).toBe(3)
  })
  await known.close()
  expect(errors).toHaveLength(1)
})
