import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { hashToken } from '../../src/auth/token.ts'
import { databaseClock } from '../support/faults.ts'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { signInOperator } from '../support/operator.ts'
import { openTestServer, serverForTest, type TestServer, useServer } from '../support/server.ts'
import { askWith, logIn, lookInside, makePerson, PASSWORD, tryLogin, usePerson } from '../support/sign-in.ts'

/* Whoever stays, on a socket or an event stream, stays for as long as they may. */

const WATCH = 'subscription ($id: ID!, $since: String) { entryPosted(accountId: $id, since: $since) { sequence } }'
const WATCH_ALL = 'subscription { transactionPosted { cursor } }'
const LOGOUT = 'mutation { logout { ... on LogoutSuccess { endedAt } } }'

const inside = lookInside()
const server = useServer()
const anna = usePerson(server)

/** Both ways to watch, subscribed already. */
async function watchBothWays(at: TestServer, token: string, query: string, variables: Record<string, unknown> = {}) {
  const client = await openClient(at.socketEndpoint, { token })
  client.subscribe('watch', { query, variables })
  const stream = await openStream(at.endpoint, { query, variables }, token)
  expect(stream.response.status).toBe(200)
  await vi.waitFor(() => expect(inside.counts().watchers).toBe(3))
  await vi.waitFor(() => expect(inside.counts().entries + inside.counts().transactions).toBeGreaterThan(0))
  return { client, stream }
}

/** Each of them is told why, and is over. */
async function expectTheEnd({ client, stream }: Awaited<ReturnType<typeof watchBothWays>>) {
  const onSocket = async () => {
    expect(await client.waitForMessage()).toMatchObject({
      id: 'watch',
      type: 'next',
      payload: { errors: [sessionOver] },
    })
    expect(await client.waitForMessage()).toEqual({ id: 'watch', type: 'complete' })
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
  }
  const onStream = async () => {
    const { left, cut } = await stream.waitForEnd()
    expect(cut).toBe(false)
    expect(left).toMatchObject([{ event: 'next', data: { errors: [sessionOver] } }, { event: 'complete' }])
  }
  await Promise.all([onSocket(), onStream()])
  await inside.untilNobody()
}
const sessionOver = {
  message: expect.stringContaining('The session has ended.'),
  extensions: { code: 'UNAUTHENTICATED' },
}

describe('a session of an hour', () => {
  test.each([
    ['SESSION_LIFETIME_MS', 'expires_at = $1'],
    ['SESSION_IDLE_MS', "last_seen_at = $1::timestamptz - interval '1 hour'"],
  ])('and its subscriptions end when it is over (%s): they do not keep it alive', async (name, change) => {
    const short = await serverForTest({ [name]: '3600000' }, server.database)
    const token = await logIn(short, anna)
    const watching = await watchBothWays(short, token, WATCH, { id: anna.id })
    // As if the hour were over but for a second.
    const soon = await databaseClock(server.database, '1 second')
    const { pool } = server.database
    await pool.query(`update private.sessions set ${change} where token_hash = $2`, [soon, hashToken(token)])
    await expectTheEnd(watching)
    expect((await databaseClock(server.database, '50 milliseconds')) > soon).toBe(true)
  })
})

describe('live subscriptions end', () => {
  async function endsAfter(watching: Awaited<ReturnType<typeof watchBothWays>>, end: () => Promise<unknown>) {
    await end()
    await expectTheEnd(watching)
  }

  test('after a logout', async () => {
    const token = await logIn(server, anna)
    const watching = await watchBothWays(server, token, WATCH, { id: anna.id })
    await endsAfter(watching, async () => {
      const { data } = await askWith(server, token, LOGOUT)
      expect(data.logout.endedAt).toBeDefined()
    })
  })

  test('after a logout on their own socket', async () => {
    const token = await logIn(server, anna)
    const client = await openClient(server.socketEndpoint, { token })
    client.subscribe('watch', { query: WATCH, variables: { id: anna.id } })
    await vi.waitFor(() => expect(inside.counts().entries).toBe(1))
    client.subscribe('out', { query: LOGOUT })
    const messages = [await client.waitForMessage(), await client.waitForMessage()]
    messages.push(await client.waitForMessage(), await client.waitForMessage())
    expect(messages.filter(({ id }) => id === 'out')).toMatchObject([
      { type: 'next', payload: { data: { logout: { endedAt: expect.any(String) } } } },
      { type: 'complete' },
    ])
    expect(messages.filter(({ id }) => id === 'watch')).toMatchObject([
      { type: 'next', payload: { errors: [sessionOver] } },
      { type: 'complete' },
    ])
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
  })

  test('after a logout through another server', async () => {
    const other = await serverForTest({}, server.database)
    const token = await logIn(server, anna)
    const watching = await watchBothWays(server, token, WATCH, { id: anna.id })
    await endsAfter(watching, () => askWith(other, token, LOGOUT))
  })

  test.each(['this server', 'another server'])('after their API token was revoked through %s', async (through) => {
    const other = await serverForTest({}, server.database)
    const operator = await signInOperator(server.database)
    const { data } = await askWith(
      server,
      operator,
      `mutation ($id: ID!) { createApiToken(input: { name: "watcher", role: USER, accountIds: [$id] }) {
        ... on CreateApiTokenSuccess { token apiToken { id } } } }`,
      { id: anna.accountId },
    )
    const { token, apiToken } = data.createApiToken
    const watching = await watchBothWays(server, token, WATCH, { id: anna.id })
    await endsAfter(watching, () =>
      askWith(
        through === 'this server' ? server : other,
        operator,
        'mutation ($id: ID!) { revokeApiToken(input: { id: $id }) { __typename } }',
        { id: apiToken.id },
      ),
    )
  })

  test('after the role that allowed them was taken away; the session itself goes on', async () => {
    const operator = await makePerson(server)
    await server.database.pool.query("update users set role = 'OPERATOR' where email = $1", [operator.email])
    const token = await logIn(server, operator)
    const watching = await watchBothWays(server, token, WATCH_ALL)
    await endsAfter(watching, () =>
      server.database.pool.query("update users set role = 'USER' where email = $1", [operator.email]),
    )
    const { data, errors } = await askWith(server, token, '{ viewer { role } ledger { userCount } }')
    expect(data).toEqual({ viewer: { role: 'USER' }, ledger: null })
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  })

  test('with many of them on one socket, each is told before it is closed', async () => {
    const many = await serverForTest({}, server.database)
    const token = await logIn(many, anna)
    const client = await openClient(many.socketEndpoint, { token })
    for (let index = 0; index < 100; index++) client.subscribe(`${index}`, { query: WATCH, variables: { id: anna.id } })
    await vi.waitFor(() => expect(inside.counts().watchers).toBe(101))
    await askWith(many, token, LOGOUT)
    const told = new Set<string | undefined>()
    const completed = new Set<string | undefined>()
    while (completed.size < 100) {
      const { id, type, payload } = await client.waitForMessage()
      if (type === 'next') expect(payload.errors).toMatchObject([sessionOver])
      ;(type === 'next' ? told : completed).add(id)
    }
    expect(told.size).toBe(100)
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
    await inside.untilNobody()
  })
})

test('a server that is closed leaves no watcher and no timer behind', async () => {
  const started = vi.spyOn(globalThis, 'setInterval')
  onTestFinished(() => started.mockRestore())
  const closing = await openTestServer({}, server.database)
  const token = await logIn(closing, anna)
  const { client, stream } = await watchBothWays(closing, token, WATCH, { id: anna.id })
  await closing.close()
  expect((await client.waitForClose()).code).toBe(1012)
  await stream.waitForEnd()
  await inside.untilNobody()
  const timers = started.mock.results.map(({ value }) => value as NodeJS.Timeout & { _destroyed: boolean })
  expect(timers.length).toBeGreaterThan(2)
  expect(timers.filter(({ _destroyed }) => !_destroyed)).toEqual([])
})

test('while nobody stays, no timer runs to look after them', async () => {
  await inside.untilNobody()
  const started = vi.spyOn(globalThis, 'setInterval')
  onTestFinished(() => started.mockRestore())
  const client = await openClient(server.socketEndpoint, { token: await logIn(server, anna) })
  const timers = started.mock.results.map(({ value }) => value as NodeJS.Timeout & { _destroyed: boolean })
  // One for all watchers of the authenticator, and one that pings the socket.
  expect(timers).toHaveLength(2)
  client.webSocket.close()
  await vi.waitFor(() => expect(timers.filter(({ _destroyed }) => !_destroyed)).toEqual([]))
})

test('nobody who signs in is told of by the log', async () => {
  await tryLogin(server, anna.email, 'a wrong password')
  const token = await logIn(server, anna)
  const log = server.logged.join('\n')
  for (const secret of [anna.email, PASSWORD, token, 'a wrong password']) expect(log).not.toContain(secret)
})
