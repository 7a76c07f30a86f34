import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { hashToken } from '../../src/auth/token.ts'
import { databaseClock, holdSession, untilBlocked } from '../support/faults.ts'
import { openClient, openSocket, openStream, type SocketClient } from '../support/graphql-transport.ts'
import { signInOperator } from '../support/operator.ts'
import { openTestServer, type TestServer } from '../support/server.ts'
import {
  askWith,
  type Inside,
  logIn,
  lookInside,
  makePerson,
  PASSWORD,
  type Person,
  tryLogin,
} from '../support/sign-in.ts'

/* Whoever stays, on a socket or an event stream, stays for as long as they may. */

const WATCH = 'subscription ($id: ID!, $since: String) { entryPosted(userId: $id, since: $since) { sequence } }'
const WATCH_ALL = 'subscription { transactionPosted { cursor } }'
const LOGOUT = 'mutation { logout { ... on LogoutSuccess { endedAt } } }'

let server: TestServer
let inside: Inside
let anna: Person
let bert: Person
beforeAll(async () => {
  inside = lookInside()
  server = await openTestServer({
    TRUSTED_PROXY_COUNT: '1',
    SOCKETS_PER_VIEWER_MAX: '3',
    SUBSCRIPTIONS_PER_VIEWER_MAX: '2',
  })
  anna = await makePerson(server)
  bert = await makePerson(server)
})
afterAll(() => server.close())

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
    const short = await openTestServer({ [name]: '3600000' }, server.database)
    onTestFinished(() => short.close())
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
    const other = await openTestServer({}, server.database)
    onTestFinished(() => other.close())
    const token = await logIn(server, anna)
    const watching = await watchBothWays(server, token, WATCH, { id: anna.id })
    await endsAfter(watching, () => askWith(other, token, LOGOUT))
  })

  test.each(['this server', 'another server'])('after their API token was revoked through %s', async (through) => {
    const other = await openTestServer({}, server.database)
    onTestFinished(() => other.close())
    const operator = await signInOperator(server.database)
    const { data } = await askWith(
      server,
      operator,
      `mutation ($id: ID!) { createApiToken(input: { name: "watcher", role: USER, accountIds: [$id] }) {
        ... on CreateApiTokenSuccess { token apiToken { id } } } }`,
      { id: anna.id },
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
    const { data, errors } = await askWith(server, token, '{ viewer { role } ledger { deposited } }')
    expect(data).toEqual({ viewer: { role: 'USER' }, ledger: null })
    expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
  })

  test('with many of them on one socket, each is told before it is closed', async () => {
    const many = await openTestServer({}, server.database)
    onTestFinished(() => many.close())
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

describe('connection_init', () => {
  const unknown = `thesaurum_session_${'A'.repeat(43)}`
  test.each<[string, unknown]>([
    ['a token that nobody was given', `Bearer ${unknown}`],
    ['no token at all', 'Bearer rosebud'],
    ['a token without its scheme', unknown],
    ['another scheme', 'Basic dXNlcjpwYXNz'],
    ['an empty text', ''],
    ['a number', 7],
    ['an object', { token: unknown }],
  ])('that shows %s closes the socket with 4403', async (_what, authorization) => {
    const client = await openSocket(server.socketEndpoint)
    client.send({ type: 'connection_init', payload: { authorization } })
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
  })

  test('with the token of a session that is over closes the socket with 4403', async () => {
    const token = await logIn(server, anna)
    await askWith(server, token, LOGOUT)
    const client = await openSocket(server.socketEndpoint)
    client.send({ type: 'connection_init', payload: { Authorization: `bearer ${token}` } })
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
  })

  /** Who a socket is, with this payload of `connection_init` and these headers of the handshake; or how it was closed. */
  async function whoIs(payload: Record<string, unknown> | undefined, headers: Record<string, string> = {}) {
    const client = await openSocket(server.socketEndpoint, { headers })
    client.send({ type: 'connection_init', ...(payload && { payload }) })
    // Rejected once the socket is closed.
    const acknowledged = await client.waitForMessage().catch(() => undefined)
    if (!acknowledged) return (await client.waitForClose()).code
    client.subscribe('who', { query: '{ viewer { id } }' })
    const { payload: answer } = await client.waitForMessage()
    client.webSocket.close()
    await client.waitForClose()
    return answer.data.viewer?.id ?? null
  }

  test('may have its token in the payload, among the headers of the payload, or in the handshake', async () => {
    const authorization = `Bearer ${await logIn(server, anna)}`
    for (const payload of [
      { authorization },
      { Authorization: authorization },
      { AUTHORIZATION: authorization },
      { headers: { Authorization: authorization } },
      { headers: { authorization } },
      { Headers: { AUTHORIZATION: authorization } },
      { authorization: null, headers: { authorization } },
    ])
      expect([payload, await whoIs(payload)]).toEqual([payload, anna.id])
    for (const payload of [undefined, {}, { authorization: null }, { headers: null }, { headers: {} }, { headers: [] }])
      expect([payload, await whoIs(payload, { authorization })]).toEqual([payload, anna.id])
    expect(await whoIs({ headers: { cookie: 'a' } })).toBeNull()
  })

  test('goes by the payload where the handshake has a token too', async () => {
    const [annas, berts] = await Promise.all([anna, bert].map(async (who) => `Bearer ${await logIn(server, who)}`))
    const handshake = { authorization: annas as string }
    expect(await whoIs({ authorization: berts }, handshake)).toBe(bert.id)
    expect(await whoIs({ headers: { Authorization: berts } }, handshake)).toBe(bert.id)
    expect(await whoIs({ authorization: berts, headers: { authorization: annas } })).toBe(bert.id)
    // A bad one is not passed over for a good one.
    for (const payload of [
      { authorization: '' },
      { authorization: 'Bearer rosebud' },
      { headers: { authorization: 5 } },
    ])
      expect([payload, await whoIs(payload, handshake)]).toEqual([payload, 4403])
  })

  test.each(['Bearer rosebud', 'Basic dXNlcjpwYXNz', `Bearer ${unknown}`])(
    'without a token closes the socket with 4403 where the handshake shows a bad one: %s',
    async (authorization) => {
      expect(await whoIs({}, { authorization })).toBe(4403)
    },
  )

  test('without a token makes a socket that is good for signing in, and for nothing else', async () => {
    const client = await openClient(server.socketEndpoint, { token: null })
    const answerTo = async (query: string, variables = {}) => {
      const id = randomUUID()
      client.subscribe(id, { query, variables })
      const answer = await client.waitForMessage()
      expect(answer.type).toBe('next')
      expect(await client.waitForMessage()).toEqual({ id, type: 'complete' })
      return answer.payload
    }
    expect(await answerTo('{ viewer { id } }')).toEqual({ data: { viewer: null } })
    for (const query of ['{ ledger { deposited } }', '{ users(first: 1) { totalCount } }', LOGOUT]) {
      expect(await answerTo(query)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    }
    client.subscribe('watch', { query: WATCH, variables: { id: anna.id } })
    const refused = await client.waitForMessage()
    expect(JSON.stringify(refused)).toContain('UNAUTHENTICATED')
    await client.drain()
    const login = `mutation ($email: String!, $password: String!) {
      login(input: { email: $email, password: $password }) { ... on LoginSuccess { token user { id } } }
    }`
    const { data } = await answerTo(login, { email: anna.email, password: PASSWORD })
    expect(data.login.user.id).toBe(anna.id)
    const own = await openClient(server.socketEndpoint, { token: data.login.token })
    own.subscribe('me', { query: '{ viewer { email } }' })
    expect(await own.waitForMessage()).toMatchObject({ payload: { data: { viewer: { email: anna.email } } } })
  })
})

describe('one viewer has', () => {
  /** Opens a socket up to the acknowledgement, or how it was closed. */
  async function tryToOpen(token: string | null, from?: string): Promise<SocketClient | number> {
    const headers = from === undefined ? {} : { 'x-forwarded-for': from }
    const client = await openSocket(server.socketEndpoint, { headers })
    client.send({ type: 'connection_init', payload: token === null ? {} : { authorization: `Bearer ${token}` } })
    return Promise.race([
      client.waitForMessage().then(
        () => client,
        async () => (await client.waitForClose()).code,
      ),
    ])
  }

  test('so many sockets, and the next is closed with 1013, until one of them is closed', async () => {
    const [first, second] = [await logIn(server, anna), await logIn(server, anna)]
    const open = [await tryToOpen(first), await tryToOpen(second), await tryToOpen(first)] as SocketClient[]
    for (const client of open) expect(client).toBeTypeOf('object')
    expect(await tryToOpen(second)).toBe(1013)
    // Others have theirs.
    expect(await tryToOpen(await logIn(server, bert))).toBeTypeOf('object')
    expect(await tryToOpen(null)).toBeTypeOf('object')
    open[0]?.webSocket.close()
    await vi.waitFor(async () => expect(await tryToOpen(second)).toBeTypeOf('object'))
    open[1]?.webSocket.terminate()
    await vi.waitFor(async () => expect(await tryToOpen(second)).toBeTypeOf('object'))
  })

  test('who is nobody has so many from one address, and takes none from another', async () => {
    for (let count = 0; count < 3; count++) expect(await tryToOpen(null, '192.0.2.1')).toBeTypeOf('object')
    expect(await tryToOpen(null, '192.0.2.1')).toBe(1013)
    expect(await tryToOpen(null, '203.0.113.9, 192.0.2.1')).toBe(1013)
    expect(await tryToOpen(null, '192.0.2.2')).toBeTypeOf('object')
  })

  test('so many subscriptions on both transports together, and others have theirs', async () => {
    const token = await logIn(server, anna)
    const variables = { id: anna.id }
    const client = await openClient(server.socketEndpoint, { token })
    client.subscribe('one', { query: WATCH, variables })
    await vi.waitFor(() => expect(inside.counts().entries).toBe(1))
    await openStream(server.endpoint, { query: WATCH, variables }, await logIn(server, anna))
    await vi.waitFor(() => expect(inside.counts().watchers).toBe(3))
    client.subscribe('two', { query: WATCH, variables })
    const refused = await client.waitForMessage()
    expect(refused).toMatchObject({ id: 'two' })
    expect(JSON.stringify(refused)).toContain('TOO_MANY_SUBSCRIPTIONS')
    const stream = await openStream(server.endpoint, { query: WATCH, variables }, token)
    expect(await stream.waitForEvent()).toMatchObject({
      data: { errors: [{ extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' } }] },
    })
    const other = await logIn(server, bert)
    await openStream(server.endpoint, { query: WATCH, variables: { id: bert.id } }, other)
    await vi.waitFor(() => expect(inside.counts().watchers).toBe(4))
  })
})

describe('a subscription is counted no more', () => {
  let token: string
  const variables = () => ({ id: anna.id })
  /** As many as there may be; then one must be refused. */
  async function expectRoomForTwo() {
    await inside.untilNobody()
    const mine = await logIn(server, anna)
    const client = await openClient(server.socketEndpoint, { token: mine })
    for (const id of ['1', '2', '3']) client.subscribe(id, { query: WATCH, variables: variables() })
    const refused = await client.waitForMessage()
    expect(refused.id).toBe('3')
    expect(JSON.stringify(refused)).toContain('TOO_MANY_SUBSCRIPTIONS')
    client.webSocket.close()
    await inside.untilNobody()
  }
  async function openTwo(): Promise<SocketClient> {
    token = await logIn(server, anna)
    const client = await openClient(server.socketEndpoint, { token })
    for (const id of ['1', '2']) client.subscribe(id, { query: WATCH, variables: variables() })
    await vi.waitFor(() => expect(inside.counts()).toMatchObject({ watchers: 3, entries: 2 }))
    return client
  }

  test.each<[string, (client: SocketClient) => unknown]>([
    ['its socket was closed', ({ webSocket }) => webSocket.close()],
    ['its socket was cut', ({ webSocket }) => webSocket.terminate()],
    ['the session was over', () => askWith(server, token, LOGOUT)],
    [
      'the client completed it',
      (client) => {
        for (const id of ['1', '2']) client.send({ type: 'complete', id })
        return vi
          .waitFor(() => expect(inside.counts()).toMatchObject({ watchers: 1, entries: 0 }))
          .then(() => client.webSocket.close())
      },
    ],
  ])('once %s', async (_how, end) => {
    await end(await openTwo())
    await expectRoomForTwo()
  })

  test('once its event stream was hung up', async () => {
    token = await logIn(server, anna)
    const streams = [1, 2].map(() => openStream(server.endpoint, { query: WATCH, variables: variables() }, token))
    await vi.waitFor(() => expect(inside.counts().watchers).toBe(2))
    for (const stream of await Promise.all(streams)) stream.abort()
    await expectRoomForTwo()
  })

  test('once it failed as it began', async () => {
    token = await logIn(server, anna)
    const client = await openClient(server.socketEndpoint, { token })
    for (const [id, extra] of [
      ['a stranger', { id: bert.id }],
      ['a cursor', { ...variables(), since: 'rosebud' }],
    ] as const) {
      client.subscribe(id, { query: WATCH, variables: extra })
      expect(JSON.stringify(await client.waitForMessage())).toMatch(/USER_NOT_FOUND|BAD_USER_INPUT|cursor/)
      await client.drain()
      const stream = await openStream(server.endpoint, { query: WATCH, variables: extra }, token)
      const { left } = await stream.waitForEnd()
      expect(left).not.toEqual([])
    }
    client.webSocket.close()
    await expectRoomForTwo()
  })

  test.each<[string, (client: SocketClient) => void]>([
    ['was completed', (client) => client.send({ type: 'complete', id: 'slow' })],
    ['lost its socket', ({ webSocket }) => webSocket.terminate()],
  ])('once it %s while it was being made', async (_how, end) => {
    token = await logIn(server, anna)
    const client = await openClient(server.socketEndpoint, { token })
    const lock = await holdSession(server.database, 'lock table transactions in access exclusive mode')
    onTestFinished(() => lock.close())
    client.subscribe('slow', { query: WATCH, variables: variables() })
    await untilBlocked(server.database)
    end(client)
    if (client.webSocket.readyState === client.webSocket.OPEN) await client.drain()
    await lock.commit()
    client.webSocket.close()
    await expectRoomForTwo()
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
