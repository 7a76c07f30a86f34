import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Server } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openStream } from '../support/graphql-transport.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

async function createUser(server: TestServer): Promise<string> {
  const { data } = await server.ask(
    'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { id } } } }',
    { email: `${randomUUID()}@example.com` },
  )
  return data.createUser.user.id
}

/** Closes the server. It must not come to what it does after waiting for seconds: to cut every connection that is left. */
async function closeAtOnce(server: TestServer): Promise<void> {
  const cut = vi.spyOn(Server.prototype, 'closeAllConnections')
  await server.close()
  expect(cut).not.toHaveBeenCalled()
  cut.mockRestore()
}

test('an event stream is cut and not completed, so that its reader comes back, and nothing waits for it', async () => {
  const server = await openTestServer({}, database)
  const accountId = await createUser(server)
  const query = 'subscription ($accountId: ID!) { entryPosted(accountId: $accountId) { sequence } }'
  const streams = [
    await openStream(server.endpoint, { query, variables: { accountId } }),
    await openStream(server.endpoint, { query, variables: { accountId } }),
  ]
  await closeAtOnce(server)
  for (const stream of streams) expect(await stream.waitForEnd()).toEqual({ left: [], cut: true })
})

test('a posting under way is answered, and its connection is not waited for', async () => {
  const server = await openTestServer({}, database)
  const accountId = await createUser(server)
  const holder = await database.pool.connect()
  try {
    await holder.query('begin; select from accounts for update')
    const answer = server.ask(
      `mutation ($input: DepositInput!) {
        deposit(input: $input) { ... on DepositSuccess { entry { balanceAfter } } }
      }`,
      { input: { idempotencyKey: randomUUID(), accountId, amount: 5 } },
    )
    await vi.waitFor(async () => {
      const { rows } = await database.pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
      expect(rows).toHaveLength(1)
    })
    const closing = closeAtOnce(server)
    // It takes nobody new by now.
    await vi.waitFor(() => expect(fetch(server.address)).rejects.toThrow())
    await holder.query('rollback')
    expect(await answer).toEqual({ data: { deposit: { entry: { balanceAfter: '5' } } } })
    await closing
  } finally {
    holder.release(true)
  }
})

test('a connection that has asked for nothing, or for half, is not waited for', async () => {
  const server = await openTestServer({}, database)
  const { hostname, port } = new URL(server.address)
  const silent = connect(Number(port), hostname)
  const half = connect(Number(port), hostname)
  half.write('POST /graphql HTTP/1.1\r\nHost: lo')
  for (const socket of [silent, half]) socket.on('error', () => {})
  await Promise.all([once(silent, 'connect'), once(half, 'connect')])
  // It has met both by the time it has answered a third.
  await server.ask('{ __typename }')
  await closeAtOnce(server)
})
