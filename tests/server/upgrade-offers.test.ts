import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { useServer } from '../support/server.ts'

/* An offer to speak another protocol (`Upgrade: h2c`) changes nothing of what is answered, nor of what comes behind it. */

const server = useServer()

const OFFER = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
/** What a proxy would take for the rest of a body, and a server that lost its place for a request. */
const SMUGGLED = 'GET /graphql?query={smuggled:__typename} HTTP/1.1\r\nHost: a\r\n\r\n'

const FORMS = {
  GET: (name: string, headers: string) =>
    `GET /graphql?query={${name}:__typename} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`,
  'GET with a body': (name: string, headers: string) =>
    `GET /graphql?query={${name}:__typename} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  POST: (name: string, headers: string) => {
    const body = `{"query":"{${name}:__typename}"}`
    return `POST /graphql HTTP/1.1\r\n${headers}Host:localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  },
  'POST in chunks': (name: string, headers: string) => {
    const chunks = ['{"query":"{', name, ':__typename}"}'].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`)
    return `POST /graphql HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`
  },
}
type Form = keyof typeof FORMS
const forms = Object.keys(FORMS) as Form[]
/** The names that a GET asks for and that a text cannot hide. */
const LAST = FORMS.GET('last', 'Connection: close\r\n')

const HANDSHAKE =
  'GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n'

function open(): Socket {
  const { hostname, port } = new URL(server.address)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  onTestFinished(() => void socket.destroy())
  return socket
}

/** What each of the answers is to, and their status codes. */
const answersIn = (text: string) => ({
  names: [...text.matchAll(/"data":\{"(\w+)":/g)].map(([, name]) => name),
  statuses: [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status)),
})

/** Sends bytes in parts, and reads until the server hangs up. */
async function exchange(...parts: string[]): Promise<string> {
  const socket = open()
  const read = readAll(socket)
  for (const part of parts) {
    socket.write(part, 'latin1')
    await new Promise((resolve) => setImmediate(resolve))
  }
  return read
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

test.each(forms)('a request that offers HTTP/2 is answered, and its connection kept: %s', async (form) => {
  const text = await exchange(FORMS[form]('first', OFFER), LAST)
  expect(answersIn(text)).toEqual({ names: ['first', 'last'], statuses: [200, 200] })
  expect(text).toMatch(/^connection: keep-alive\r$/im)
  expect(text).not.toMatch(/^upgrade:/im)
})

test.each(['h2c', 'H2C', 'TLS/1.0, HTTP/1.1', 'websocket, h2c', 'foo'])('so is an offer of %s', async (protocol) => {
  const headers = `Upgrade: ${protocol}\r\nConnection: keep-alive, Upgrade\r\n`
  const text = await exchange(FORMS.POST('first', headers), LAST)
  expect(answersIn(text)).toEqual({ names: ['first', 'last'], statuses: [200, 200] })
})

test('what comes behind an offer is neither lost nor read twice, however the bytes are cut into packets', async () => {
  const requests = fc.array(fc.record({ form: fc.constantFrom(...forms), offers: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  })
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(requests, cuts, async (requests, cuts) => {
      const sent =
        requests.map(({ form, offers }, index) => FORMS[form](`a${index}`, offers ? OFFER : '')).join('') + LAST
      const places = [0, ...cuts.map((cut) => Math.floor(cut * sent.length)).sort((a, b) => a - b), sent.length]
      const parts = places.slice(1).map((end, index) => sent.slice(places[index], end))
      const { names, statuses } = answersIn(await exchange(...parts))
      expect(names).toEqual([...requests.map((_request, index) => `a${index}`), 'last'])
      expect(new Set(statuses)).toEqual(new Set([200]))
    }),
    { numRuns: 60 },
  )
})

test('a body that comes after the server has met its head is read', async () => {
  const socket = open()
  const read = readAll(socket)
  const sent = FORMS.POST('first', OFFER)
  const end = sent.indexOf('\r\n\r\n') + 4
  for (const part of [
    sent.slice(0, end - 20),
    sent.slice(end - 20, end),
    sent.slice(end, end + 5),
    sent.slice(end + 5),
  ]) {
    socket.write(part)
    // It has met it by the time it has answered another.
    await server.ask('{ __typename }')
  }
  socket.write(LAST)
  expect(answersIn(await read).names).toEqual(['first', 'last'])
})

test('an offer behind a request that is still worked on waits for its answer', async () => {
  const { data } = await server.ask(
    `mutation { createUser(input: { email: "${randomUUID()}@example.com" }) { ... on CreateUserSuccess { user { id } } } }`,
  )
  const { pool } = server.database
  const holder = await pool.connect()
  try {
    await holder.query('begin; select from accounts for update')
    const socket = open()
    const read = readAll(socket)
    const body = JSON.stringify({
      query: 'mutation ($input: DepositInput!) { deposit(input: $input) { __typename } }',
      variables: { input: { idempotencyKey: randomUUID(), accountId: data.createUser.user.id, amount: 5 } },
    })
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${server.authorization.authorization}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    socket.write(FORMS.POST('second', OFFER) + FORMS.GET('third', OFFER) + LAST)
    await vi.waitFor(async () => {
      const { rows } = await pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
      expect(rows).toHaveLength(1)
    })
    await holder.query('rollback')
    expect(answersIn(await read)).toEqual({
      names: ['deposit', 'second', 'third', 'last'],
      statuses: [200, 200, 200, 200],
    })
  } finally {
    holder.release(true)
  }
})

test('a client that offers and hangs up takes nobody with it', async () => {
  for (const sent of [
    FORMS.POST('first', OFFER),
    FORMS.POST('first', OFFER).slice(0, -5),
    LAST + FORMS.GET('x', OFFER),
  ]) {
    const socket = open()
    socket.on('error', () => {})
    await once(socket, 'connect')
    await new Promise((resolve) => socket.write(sent, resolve))
    socket.resetAndDestroy()
  }
  expect(await server.ask('{ __typename }')).toEqual({ data: { __typename: 'Query' } })
  expect(server.errorLines()).toEqual([])
})

test('a connection may offer again and again, and then become a WebSocket', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error) => void warnings.push(warning)
  process.on('warning', warn)
  onTestFinished(() => void process.off('warning', warn))
  const offers = Array.from({ length: 30 }, (_, index) => FORMS.POST(`a${index}`, OFFER))
  const socket = open()
  socket.write(offers.join(''))
  let text = ''
  for await (const chunk of socket) {
    text += chunk
    if (text.includes('101 Switching Protocols')) break
    if (answersIn(text).names.length === offers.length) socket.write(HANDSHAKE)
  }
  expect(answersIn(text).names).toEqual(offers.map((_offer, index) => `a${index}`))
  expect(warnings).toEqual([])
})

test('an offer with more headers than Node keeps is refused, with what comes behind it', async () => {
  const many = Array.from({ length: 1_000 }, (_, index) => `h${index}:\r\n`).join('')
  const text = await exchange(
    `POST /graphql HTTP/1.1\r\nHost: a\r\n${OFFER}${many}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  )
  expect(answersIn(text)).toEqual({ names: [], statuses: [431] })
})

test.each([
  ['a length twice', 'Content-Length: 5\r\nContent-Length: 6\r\n'],
  ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
  ['a length that is none', 'Content-Length: +5\r\n'],
  ['chunks that are not last', 'Transfer-Encoding: chunked, gzip\r\n'],
])('an offer with %s is refused as any request is', async (_what, headers) => {
  const text = await exchange(`POST /graphql HTTP/1.1\r\nHost: a\r\n${OFFER}${headers}\r\n${SMUGGLED}`)
  expect(answersIn(text)).toEqual({ names: [], statuses: [400] })
})
