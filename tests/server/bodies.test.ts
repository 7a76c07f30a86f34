import { afterEach, describe, expect, test } from 'vitest'
import { openClient } from '../support/graphql-transport.ts'
import { useServer } from '../support/server.ts'
import { TRANSPORTS } from '../support/transports.ts'

/* Text is taken as it was sent, or not at all. */

const server = useServer()

afterEach(() => {
  expect(server.errorLines()).toEqual([])
})

async function post(body: string | Buffer, headers: Record<string, string> = {}) {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { ...server.authorization, 'content-type': 'application/json', ...headers },
    body: body as BodyInit,
  })
  return { status: response.status, json: await response.json() }
}

const READ = JSON.stringify({ query: '{ ledger { userCount } }' })
const READ_BY_NAME = 'query Read { ledger { userCount } }'
const createUser = (email: string) =>
  JSON.stringify({ query: `mutation { createUser(input: { email: "${email}" }) { __typename } }` })
const users = async () => (await server.ask('{ ledger { userCount } }')).data.ledger.userCount

describe('a body that is not UTF-8 is refused, and makes no user', () => {
  test.each([
    ['in Latin-1', Buffer.from(createUser('josé@example.com'), 'latin1')],
    [
      'with half a surrogate pair',
      Buffer.from(createUser('jos\u0000@example.com').replace('\u0000', '')).fill(0xed, 60, 61),
    ],
    ['with an overlong NUL', Buffer.concat([Buffer.from(READ), Buffer.from([0xc0, 0x80])])],
    ['in UTF-16', Buffer.from(READ, 'utf16le').fill(0xff, 0, 1)],
    ['that ends within a character', Buffer.concat([Buffer.from(READ), Buffer.from([0xe2, 0x82])])],
  ])('%s', async (_name, body) => {
    const before = await users()
    const { status, json } = await post(body)
    expect([status, json.errors[0].message]).toEqual([400, expect.stringContaining('not valid UTF-8')])
    expect(await users()).toBe(before)
  })

  test('a character that comes in two pieces is one character', async () => {
    const bytes = Buffer.from(JSON.stringify({ query: '{ user(email: "josé@example.com") { id } }' }))
    const half = bytes.indexOf(0xc3) + 1
    const response = await fetch(server.endpoint, {
      method: 'POST',
      headers: { ...server.authorization, 'content-type': 'application/json' },
      body: new ReadableStream({
        async start(controller) {
          controller.enqueue(bytes.subarray(0, half))
          await new Promise(setImmediate)
          controller.enqueue(bytes.subarray(half))
          controller.close()
        },
      }),
      duplex: 'half',
    } as RequestInit)
    expect(await response.json()).toEqual({ data: { user: null } })
  })
})

test.each(['utf-8', 'UTF-8', 'utf8', '"utf-8"', 'unicode-1-1-utf-8'])('the charset %s is UTF-8', async (charset) => {
  expect((await post(READ, { 'content-type': `application/json; charset=${charset}` })).status).toBe(200)
})

test.each(['iso-8859-1', 'latin1', 'utf-16', 'us-ascii', 'utf-7', 'x'])('the charset %s is not', async (charset) => {
  const { status, json } = await post(READ, { 'content-type': `application/json; charset=${charset}` })
  expect([status, json.errors[0].message]).toEqual([415, 'The charset of the body must be UTF-8.'])
})

test.each(['identity', 'Identity', 'identity, identity'])(
  'a body with the coding %s is not compressed',
  async (coding) => {
    expect((await post(READ, { 'content-encoding': coding })).status).toBe(200)
  },
)

test.each(['gzip', 'identity, gzip', 'br', 'deflate', 'x'])('a body with the coding %s is refused', async (coding) => {
  expect((await post(READ, { 'content-encoding': coding })).status).toBe(415)
})

test('a byte order mark before the JSON is skipped, and no other one', async () => {
  expect((await post(`\ufeff${READ}`)).json.data.ledger).toBeDefined()
  expect((await post(`\ufeff\ufeff${READ}`)).status).toBe(400)
  expect((await post('\ufeff')).status).toBe(400)
})

test('a URL that is not percent-encoded UTF-8 is refused', async () => {
  const get = (email: string) =>
    fetch(`${server.endpoint}?query={user(email:"${email}"){id}}`, {
      headers: { ...server.authorization, accept: 'application/json' },
    })
  for (const bytes of ['jos%E9@example.com', '%ED%A0%80@example.com', 'a%C3', '%ff']) {
    expect((await get(bytes)).status, bytes).toBe(400)
  }
  expect(await (await get('jos%C3%A9@example.com')).json()).toEqual({ data: { user: null } })
})

test.each(TRANSPORTS)('an empty operation name names none, over $transport', async ({ ask }) => {
  const named = await ask(server, { query: READ_BY_NAME, operationName: '' })
  expect(named.data?.ledger).toBeDefined()
  const two = await ask(server, { query: `${READ_BY_NAME} query Other { __typename }`, operationName: '' })
  expect(two).toEqual(await ask(server, { query: `${READ_BY_NAME} query Other { __typename }` }))
  expect(two.errors).toHaveLength(1)
})

test.each([false, true])('a frame that is not UTF-8 closes its socket with 1007 (binary: %s)', async (binary) => {
  const client = await openClient(server.socketEndpoint)
  const frame = JSON.stringify({ type: 'subscribe', id: '1', payload: { query: '{ user(email: "josé@a.b") { id } }' } })
  client.webSocket.send(Buffer.from(frame, 'latin1'), { binary })
  expect((await client.waitForClose()).code).toBe(1007)
  // The log says that a socket failed.
  server.logged.splice(0)
})

test('a binary frame of UTF-8 is answered like a text frame', async () => {
  const client = await openClient(server.socketEndpoint)
  const frame = JSON.stringify({ type: 'subscribe', id: '1', payload: { query: '{ user(email: "josé@a.b") { id } }' } })
  client.webSocket.send(Buffer.from(frame), { binary: true })
  expect(await client.waitForMessage()).toMatchObject({ type: 'next', payload: { data: { user: null } } })
})
