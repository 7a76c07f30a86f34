import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { withOwnCanary } from '../support/canary.ts'

/* The canary is proved on servers that do leak. */

const PASSWORD = 'correct horse'
const EMAIL = 'planted@example.com'
const TOKEN = 'thesaurum_planted_token'

let http: Server
let sockets: WebSocketServer
let answer: unknown
let closeReason = ''
const port = () => (http.address() as AddressInfo).port

beforeAll(async () => {
  http = createServer((request, response) => {
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end(JSON.stringify(answer)))
  }).listen(0, '127.0.0.1')
  sockets = new WebSocketServer({ server: http })
  sockets.on('connection', (socket) =>
    socket.on('message', () => {
      socket.send(JSON.stringify(answer))
      socket.close(4400, closeReason)
    }),
  )
  await once(http, 'listening')
})
afterAll(async () => {
  sockets.close()
  http.close()
  http.closeAllConnections()
})

const SENT = {
  'as variables': {
    query: 'mutation ($i: I!) { a(i: $i) { b } }',
    variables: { i: { password: PASSWORD, email: EMAIL } },
  },
  'as literals': { query: `mutation { a(i: { password: "${PASSWORD}", email: "${EMAIL}" }) { b } }` },
}
const post = (body: unknown) =>
  fetch(`http://127.0.0.1:${port()}/`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { authorization: `Bearer ${TOKEN}` },
  })

const LEAKS = {
  'the password in an error': [{ errors: [{ message: `no ${PASSWORD}` }] }, PASSWORD],
  'the address in the extensions of an error': [{ errors: [{ message: '', extensions: { value: EMAIL } }] }, EMAIL],
  'the token in an error': [{ data: null, errors: [{ message: TOKEN }] }, TOKEN],
  'the address in a typed error': [{ data: { a: { code: 'EMAIL_TAKEN', message: `${EMAIL} is taken` } } }, EMAIL],
  'the password in a field of a typed error': [
    { data: { a: { code: 'X', message: '', fields: [{ path: '', message: PASSWORD }] } } },
    PASSWORD,
  ],
} as const

for (const [how, body] of Object.entries(SENT)) {
  test.each(Object.entries(LEAKS))(`sent ${how}, %s is found`, (_what, [told, secret]) =>
    withOwnCanary(async (leaks) => {
      answer = told
      await (await post(body)).text()
      await vi.waitFor(() => expect(leaks.found().join()).toContain(`"${secret}"`))
    }),
  )
}

test('a token that was given and comes back later is found', () =>
  withOwnCanary(async (leaks) => {
    answer = { data: { login: { token: 'another_planted_token' } } }
    await (await post({})).text()
    answer = { errors: [{ message: 'another_planted_token' }] }
    await (await post({})).text()
    await vi.waitFor(() => expect(leaks.found()).toHaveLength(1))
  }))

test('an address in data is no leak, and neither is what was never sent', () =>
  withOwnCanary(async (leaks) => {
    answer = {
      data: { user: { email: EMAIL }, failed: { code: 'X', message: 'no', source: { email: EMAIL } } },
      errors: [{ message: 'other@example.com' }],
    }
    await (await post(SENT['as variables'])).text()
    answer = { errors: [{ message: 'the end' }] }
    await (await post(SENT['as variables'])).text()
    expect(leaks.found()).toEqual([])
  }))

test('what is logged is looked at, to the last line', () =>
  withOwnCanary(async (leaks) => {
    const lines: string[] = []
    leaks.watchLog(lines)
    leaks.learnSent(JSON.stringify(SENT['as literals']))
    expect(leaks.found()).toEqual([])
    lines.push(`{"params":["${EMAIL}"]}`)
    expect(leaks.found()).toEqual([`"${EMAIL}" in the log: {"params":["${EMAIL}"]}`])
  }))

test.each([
  ['an error', { type: 'error', id: 'a', payload: [{ message: TOKEN }] }, ''],
  ['the errors of an answer', { type: 'next', id: 'a', payload: { errors: [{ message: TOKEN }] } }, ''],
  ['the reason of a close', { type: 'next', payload: {} }, `bad ${TOKEN}`],
])('what comes back by a socket is found, in %s', (_what, told, reason) =>
  withOwnCanary(async (leaks) => {
    answer = told
    closeReason = reason
    const socket = new WebSocket(`ws://127.0.0.1:${port()}/`)
    await once(socket, 'open')
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${TOKEN}` } }))
    await once(socket, 'close')
    expect(leaks.found()).toHaveLength(1)
  }),
)
