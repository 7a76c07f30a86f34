import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { breakEmails, breakReads } from '../support/faults.ts'
import { type Operation, openClient, openSocket, refusalOf, type SocketClient } from '../support/graphql-transport.ts'
import { openTestServer, serverForTest, useServer } from '../support/server.ts'

const server = useServer()

const COUNT = '{ ledger { userCount } }'
const WATCH =
  'subscription Watch($accountId: ID!, $since: String) { entryPosted(accountId: $accountId, since: $since) { sequence } }'

async function createUser(on = server): Promise<{ id: string; cursor: string }> {
  const { data } = await on.ask(
    `mutation ($email: String!) {
      createUser(input: { email: $email }) { ... on CreateUserSuccess { user { account { id balance { cursor } } } } }
    }`,
    { email: `${randomUUID()}@example.com` },
  )
  const { id, balance } = data.createUser.user.account
  return { id, cursor: balance.cursor }
}

async function deposit(accountId: string, on = server): Promise<void> {
  const { data } = await on.ask(
    'mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { replayed } } }',
    { input: { idempotencyKey: randomUUID(), accountId, amount: 1 } },
  )
  expect(data.deposit).toEqual({ replayed: false })
}

/** The errors of an operation, in whichever of its two forms they came. */
async function errorsOf(client: SocketClient, operation: Operation) {
  client.subscribe('bad', operation)
  const answer = await client.waitForMessage()
  expect(answer.id).toBe('bad')
  if (answer.type === 'error') return answer.payload
  expect(answer.type).toBe('next')
  expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'bad' })
  return answer.payload.errors
}

describe('one bad operation hurts only itself, and is told why without what it sent', () => {
  const secret = 'rosebud-1941'
  const createWith = (input: string) => `mutation { createUser(input: ${input}) { __typename } }`

  const operations: [string, Operation, RegExp][] = [
    [
      'a syntax error',
      { query: `mutation { createUser(input: { password "${secret}" }) }` },
      /^Syntax Error: Expected ":"/,
    ],
    ['a name where none belongs', { query: 'query { ledger } rosebud' }, /^Syntax Error: Unexpected Name/],
    ['an unfinished string', { query: `{ user(email: "${secret}\n") { id } }` }, /^Syntax Error: Unterminated string/],
    ['nothing at all', { query: '' }, /^Send a document in `query`/],
    ['a field that is not there', { query: '{ ledger { profit } }' }, /^Cannot query field "profit"/],
    ['a literal of the wrong type', { query: createWith(`{ email: 5, password: "${secret}" }`) }, /^input\.email: /],
    [
      'a field that an input does not have',
      { query: createWith(`{ email: "a@example.com", pasword: "${secret}" }`) },
      /"pasword" is not defined/,
    ],
    [
      'an amount that is none',
      {
        query: `mutation { deposit(input: { idempotencyKey: "${secret}", accountId: "${secret}", amount: "${secret}" }) { __typename } }`,
      },
      /must look like|must be a whole number/,
    ],
    [
      'variables of the wrong type',
      {
        query: 'mutation ($input: CreateUserInput!) { createUser(input: $input) { __typename } }',
        variables: { input: { email: { rosebud: secret }, password: secret, role: secret } },
      },
      /^input\.email: .*input\.role: /,
    ],
    ['a variable that is missing', { query: WATCH, variables: { since: secret } }, /^accountId: is required/],
    [
      'a subscription with a variable of the wrong type',
      { query: WATCH, variables: { accountId: { rosebud: secret } } },
      /^accountId: /,
    ],
    ['an unknown operation name', { query: `query A { ledger { userCount } }`, operationName: secret }, /operation/],
    [
      'two operations and no name',
      { query: 'query A { ledger { userCount } } query B { ledger { userCount } }' },
      /operation/,
    ],
    [
      'two fields in a subscription',
      {
        query: `subscription { a: entryPosted(accountId: "${secret}") { sequence } b: entryPosted(accountId: "x") { sequence } }`,
      },
      /must select only one top level field/,
    ],
    ['a rule that is broken', { query: `{ user(id: "${secret}") { id } }` }, /^id: must be a user id/],
  ]

  test.each(operations)('%s', async (_name, operation, message) => {
    const { id, cursor } = await createUser()
    const client = await openClient(server.socketEndpoint)
    client.subscribe('bystander', { query: WATCH, variables: { accountId: id, since: cursor } })
    const errors = await errorsOf(client, operation)
    expect(errors.map((error: Error) => error.message).join('; ')).toMatch(message)
    expect(JSON.stringify(errors)).not.toContain('rosebud')
    expect(JSON.stringify(errors)).not.toContain('"http"')

    // The id is free again, the socket answers, and the other operation goes on.
    client.subscribe('bad', { query: COUNT })
    expect(await client.waitForMessage()).toMatchObject({ type: 'next', id: 'bad', payload: { data: { ledger: {} } } })
    expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'bad' })
    await deposit(id)
    expect(await client.waitForMessage()).toEqual({
      type: 'next',
      id: 'bystander',
      payload: { data: { entryPosted: { sequence: 1 } } },
    })
  })
})

describe('what breaks the protocol is closed with its own code', () => {
  test.each([
    ['no JSON', '{"type":'],
    ['no message', '"subscribe"'],
    ['a type that is not there', '{"type":"start"}'],
    ['a subscribe without an id', '{"type":"subscribe","payload":{"query":"{ ledger { userCount } }"}}'],
    ['a subscribe without a query', '{"type":"subscribe","id":"1","payload":{}}'],
    ['variables that are no object', '{"type":"subscribe","id":"1","payload":{"query":"{x}","variables":"rosebud"}}'],
  ])('4400: %s', async (_name, text) => {
    const client = await openClient(server.socketEndpoint)
    client.send(text)
    const { code, reason } = await client.waitForClose()
    expect([code, reason]).toEqual([4400, 'Invalid message received'])
  })

  test('4401: a subscribe before connection_init', async () => {
    const client = await openSocket(server.socketEndpoint)
    client.subscribe('early', { query: COUNT })
    expect(await client.waitForClose()).toEqual({ code: 4401, reason: 'Unauthorized' })
  })

  test('4406: a client that offers no subprotocol', async () => {
    const client = await openSocket(server.socketEndpoint, { protocol: [] })
    expect(await client.waitForClose()).toEqual({ code: 4406, reason: 'Subprotocol not acceptable' })
  })

  test.each(['graphql-ws', 'mqtt'])('the subprotocol %s is not agreed to', async (protocol) => {
    await expect(openSocket(server.socketEndpoint, { protocol })).rejects.toThrow('Server sent no subprotocol')
  })

  test('4408: no connection_init in time', async () => {
    const client = await openSocket(server.socketEndpoint)
    expect(await client.waitForClose()).toEqual({ code: 4408, reason: 'Connection initialisation timeout' })
  })

  test('4409: an id that is in use', async () => {
    const { id } = await createUser()
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: WATCH, variables: { accountId: id } })
    client.subscribe('watch', { query: COUNT })
    expect(await client.waitForClose()).toEqual({ code: 4409, reason: 'Subscriber for watch already exists' })
  })

  test('4429: a second connection_init', async () => {
    const client = await openClient(server.socketEndpoint)
    client.send({ type: 'connection_init' })
    expect(await client.waitForClose()).toEqual({ code: 4429, reason: 'Too many initialisation requests' })
  })

  test('1009: a message that is too large', async () => {
    const complaints = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => complaints.mockRestore())
    const { id, cursor } = await createUser()
    const client = await openClient(server.socketEndpoint)
    // One that is just small enough is read.
    client.subscribe('large', { query: COUNT.padEnd(63 * 1024) })
    expect(await client.waitForMessage()).toMatchObject({ type: 'next', id: 'large' })
    expect(await client.waitForMessage()).toMatchObject({ type: 'complete', id: 'large' })
    client.subscribe('watch', { query: WATCH, variables: { accountId: id, since: cursor } })
    client.subscribe('larger', { query: COUNT.padEnd(64 * 1024) })
    expect(await client.waitForClose()).toMatchObject({ code: 1009 })
    await deposit(id)
  })

  test('a message that only a server may send ends the socket, and its close reason says nothing of the inside', async () => {
    const complaints = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => complaints.mockRestore())
    const client = await openClient(server.socketEndpoint)
    client.send({ type: 'next', id: 'rosebud', payload: { data: 'rosebud' } })
    const { code, reason } = await client.waitForClose()
    expect([4400, 4500]).toContain(code)
    expect(reason).not.toMatch(/rosebud|Error|\bat\b|\//)
  })

  test('a ping is answered with its payload, before connection_init as well', async () => {
    const client = await openSocket(server.socketEndpoint)
    client.send({ type: 'ping', payload: { tick: 1 } })
    expect(await client.waitForMessage()).toEqual({ type: 'pong', payload: { tick: 1 } })
  })

  test('a Complete for nothing and a pong for nothing change nothing', async () => {
    const client = await openClient(server.socketEndpoint)
    client.send({ type: 'complete', id: 'nobody' })
    client.send({ type: 'pong' })
    expect(await client.drain()).toEqual([])
  })

  test.each(['__proto__', 'constructor', 'toString'])('an operation may have the id %s', async (id) => {
    const client = await openClient(server.socketEndpoint)
    client.subscribe(id, { query: COUNT })
    expect(await client.waitForMessage()).toMatchObject({ type: 'next', id, payload: { data: { ledger: {} } } })
    expect(await client.waitForMessage()).toEqual({ type: 'complete', id })
  })
})

describe('who may open a socket', () => {
  test.each(['https://elsewhere.test', 'http://localhost', 'http://localhost:1', 'null', 'rosebud', ''])(
    'a page from %j may not',
    async (origin) => {
      expect(await refusalOf(server.socketEndpoint, { headers: { origin } })).toBe(403)
    },
  )

  test('a page of this server may, and so may a program without an origin', async () => {
    for (const headers of [{ origin: server.address }, {} as { origin?: string }]) {
      const client = await openClient(server.socketEndpoint, { headers: headers as Record<string, string> })
      client.subscribe('ask', { query: COUNT })
      expect(await client.waitForMessage()).toMatchObject({ type: 'next', id: 'ask' })
    }
  })

  test.each(['/', '/graphql/', '/graphql/assets/', '/health'])('there is no socket at %s', async (path) => {
    expect(await refusalOf(`${server.socketEndpoint.replace('/graphql', path)}`)).toBe(404)
  })

  test('a query string does not matter', async () => {
    const client = await openClient(`${server.socketEndpoint}?whatever`)
    expect(await client.drain()).toEqual([])
  })

  test.each([
    ['a path that is no URL', 'GET // HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 404],
    [
      'an absolute one that is none',
      'GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      404,
    ],
    ['no key', 'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 400],
  ])('an upgrade with %s is refused, and the server lives', async (_name, text, status) => {
    const { hostname, port } = new URL(server.address)
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    let answer = ''
    socket.on('data', (data) => {
      answer += data
    })
    socket.write(text)
    await once(socket, 'close')
    expect(answer.split('\r\n', 1)).toEqual([expect.stringContaining(`HTTP/1.1 ${status} `)])
    expect((await server.ask(COUNT)).data).toBeTruthy()
  })
})

describe('when the server stops', () => {
  test('sockets are closed with 1012 and without Complete, so that clients come back', async () => {
    const other = await openTestServer({}, server.database)
    const { id } = await createUser()
    const clients = [await openClient(other.socketEndpoint), await openClient(other.socketEndpoint)]
    for (const client of clients) {
      client.subscribe('watch', { query: WATCH, variables: { accountId: id } })
      expect(await client.drain()).toEqual([])
    }
    await other.close()
    for (const client of clients) {
      expect(await client.waitForClose()).toEqual({ code: 1012, reason: 'Service Restart' })
      await expect(client.waitForMessage()).rejects.toThrow('1012')
    }
  })

  test('a client that does not answer the close is not waited for', async () => {
    const other = await openTestServer({}, server.database)
    const client = await openClient(other.socketEndpoint)
    client.webSocket.pause()
    await other.close()
  })

  test('a socket that has not said anything yet is closed too', async () => {
    const other = await openTestServer({}, server.database)
    const client = await openSocket(other.socketEndpoint)
    await other.close()
    expect(await client.waitForClose()).toMatchObject({ code: 1012 })
  })
})

describe('a fault of ours is masked', () => {
  /** A server whose tables can be broken. */
  const openBroken = () => serverForTest()
  const insides = /relation|users|select|insert|sql|postgres|node_modules|\/src\//i
  const masked = {
    message: 'Server error. Report it with `extensions.requestId`.',
    extensions: { code: 'INTERNAL_SERVER_ERROR' },
  }

  test('in a query, a mutation and the start of a subscription, while the socket lives on', async () => {
    const broken = await openBroken()
    const { id } = await createUser(broken)
    const client = await openClient(broken.socketEndpoint)
    const restores = [
      await breakReads(broken.database, 'public', 'users'),
      await breakReads(broken.database, 'public', 'accounts'),
    ]
    const operations: Operation[] = [
      { query: 'query ($id: ID!) { account(id: $id) { owner { email } } }', variables: { id } },
      { query: 'mutation { createUser(input: { email: "new@example.com" }) { __typename } }' },
      { query: WATCH, variables: { accountId: id } },
    ]
    for (const operation of operations) {
      const errors = await errorsOf(client, operation)
      expect(errors).toMatchObject([masked])
      expect(JSON.stringify(errors)).not.toMatch(insides)
    }
    expect(broken.logged.join('')).toContain('division by zero')

    for (const restore of restores) await restore()
    client.subscribe('after', { query: COUNT })
    expect(await client.waitForMessage()).toMatchObject({ payload: { data: { ledger: { userCount: 1 } } } })
  })

  test('in an event of a subscription, and the next event is whole again', async () => {
    const broken = await openBroken()
    const [payer, payee] = [await createUser(broken), await createUser(broken)]
    for (let amount = 0; amount < 3; amount++) await deposit(payer.id, broken)
    const pay = async () => {
      const { data } = await broken.ask(
        'mutation ($input: TransferInput!) { transfer(input: $input) { ... on TransferSuccess { replayed } } }',
        {
          input: {
            idempotencyKey: randomUUID(),
            sourceAccountId: payer.id,
            destinationAccountId: payee.id,
            amount: 1,
          },
        },
      )
      expect(data.transfer).toEqual({ replayed: false })
    }
    const client = await openClient(broken.socketEndpoint)
    client.subscribe('watch', {
      query: `subscription ($accountId: ID!, $since: String) {
        entryPosted(accountId: $accountId, since: $since) { sequence transaction { source { owner { email } } } }
      }`,
      variables: { accountId: payee.id, since: payee.cursor },
    })
    await deposit(payee.id, broken)
    expect(await client.waitForMessage()).toMatchObject({ payload: { data: { entryPosted: { sequence: 1 } } } })

    const restore = await breakEmails(broken.database)
    await pay()
    const { type, payload } = await client.waitForMessage()
    expect(type).toBe('next')
    expect(payload.data).toEqual({ entryPosted: { sequence: 2, transaction: { source: { owner: { email: null } } } } })
    expect(payload.errors).toMatchObject([masked])
    expect(JSON.stringify(payload.errors)).not.toMatch(insides)

    await restore()
    await pay()
    const next = await client.waitForMessage()
    expect(next.payload.errors).toBeUndefined()
    expect(next).toMatchObject({ type: 'next', payload: { data: { entryPosted: { sequence: 3 } } } })
    expect(next.payload.data.entryPosted.transaction.source.owner.email).toMatch(/@example\.com$/)
  })

  test('while a subscription cannot be read, which goes on where it was', async () => {
    const broken = await openBroken()
    const { id, cursor } = await createUser(broken)
    const client = await openClient(broken.socketEndpoint)
    await deposit(id, broken)
    client.subscribe('watch', { query: WATCH, variables: { accountId: id, since: cursor } })
    expect(await client.waitForMessage()).toMatchObject({ payload: { data: { entryPosted: { sequence: 1 } } } })
    const { rows } = await broken.database.pool.query<{ killed: boolean }>(
      `select pg_terminate_backend(pid) as killed from pg_stat_activity
       where datname = current_database() and application_name like 'thesaurum%'`,
    )
    expect(rows.length).toBeGreaterThan(0)
    await deposit(id, broken)
    expect(await client.waitForMessage()).toMatchObject({ payload: { data: { entryPosted: { sequence: 2 } } } })
  })
})
