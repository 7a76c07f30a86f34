import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { holdSession, untilBlocked } from '../support/faults.ts'
import { openClient, openSocket, openStream, type SocketClient } from '../support/graphql-transport.ts'
import { useServer } from '../support/server.ts'
import { askWith, logIn, lookInside, usePerson } from '../support/sign-in.ts'

/* A viewer has so many sockets and subscriptions at once, and none for ever. */

const WATCH = 'subscription ($id: ID!, $since: String) { entryPosted(accountId: $id, since: $since) { sequence } }'
const LOGOUT = 'mutation { logout { ... on LogoutSuccess { endedAt } } }'

const inside = lookInside()
const server = useServer({
  TRUSTED_PROXY_COUNT: '1',
  SOCKETS_PER_VIEWER_MAX: '3',
  SUBSCRIPTIONS_PER_VIEWER_MAX: '2',
})
const anna = usePerson(server)
const bert = usePerson(server)

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
      expect(JSON.stringify(await client.waitForMessage())).toMatch(/ACCOUNT_NOT_FOUND|BAD_USER_INPUT|cursor/)
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
