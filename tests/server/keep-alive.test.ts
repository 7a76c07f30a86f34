import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/* Idle connections are kept for the next request, longer than a proxy keeps them, and never hold up the end of a server. */

let database: TestDatabase
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

const READ = 'GET /graphql?query={__typename} HTTP/1.1\r\nHost: localhost\r\n'

/** A connection that was answered once, and its answer. */
async function openIdle(server: TestServer, headers = ''): Promise<{ socket: Socket; answer: string }> {
  const { hostname, port } = new URL(server.address)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write(`${READ}${headers}\r\n`)
  let answer = ''
  while (!answer.includes('"Query"}}')) answer += String((await once(socket, 'data'))[0])
  return { socket, answer }
}

test.each([
  ['75 s, unless told otherwise', {}, 75],
  ['as long as KEEP_ALIVE_MS says', { KEEP_ALIVE_MS: '620000' }, 620],
])('a connection is kept for %s', async (_name, environment, seconds) => {
  const server = await openTestServer(environment, database)
  const { answer } = await openIdle(server)
  expect(answer).toMatch(new RegExp(`^keep-alive: timeout=${seconds}\r$`, 'im'))
  await server.close()
})

test('a connection that stays idle for longer is closed, also after an offer of another protocol', async () => {
  const server = await openTestServer({ KEEP_ALIVE_MS: '1000' }, database)
  const idle = await Promise.all([openIdle(server), openIdle(server, 'Connection: Upgrade\r\nUpgrade: h2c\r\n')])
  await Promise.all(idle.map(({ socket }) => once(socket, 'close')))
  await server.close()
})

test('a server that stops closes idle connections first, and lets what is under way be answered', async () => {
  const server = await openTestServer({ KEEP_ALIVE_MS: '3600000' }, database)
  const { data } = await server.ask(
    `mutation { createUser(input: { email: "${randomUUID()}@example.com" }) { ... on CreateUserSuccess { user { id } } } }`,
  )
  const idle = await Promise.all([openIdle(server), openIdle(server, 'Connection: Upgrade\r\nUpgrade: h2c\r\n')])
  const gone = Promise.all(idle.map(({ socket }) => once(socket, 'close')))
  const holder = await database.pool.connect()
  try {
    await holder.query('begin; select from accounts for update')
    const answer = server.ask(
      'mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { replayed } } }',
      { input: { idempotencyKey: randomUUID(), accountId: data.createUser.user.id, amount: 5 } },
    )
    await vi.waitFor(async () => {
      const { rows } = await database.pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
      expect(rows).toHaveLength(1)
    })
    const closing = server.close()
    // Kept until the end, they would be cut together with what is under way.
    await gone
    await holder.query('rollback')
    expect(await answer).toEqual({ data: { deposit: { replayed: false } } })
    await closing
  } finally {
    holder.release(true)
  }
})
