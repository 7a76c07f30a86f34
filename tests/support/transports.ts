import { openClient, type SocketClient, type StreamEvent } from './graphql-transport.ts'
import { authorizationFor } from './operator.ts'
import type { Answer, TestServer } from './server.ts'

/** An operation as it is sent: a document may be left out where it is named by its hash. */
export interface Asked {
  query?: string
  variables?: Record<string, unknown>
  operationName?: string
  documentId?: string
  extensions?: Record<string, unknown>
}

/** One operation over one transport, and the first thing that is answered. `token` null: as a stranger. */
type Ask = (server: TestServer, asked: Asked, token?: string | null) => Promise<Answer>

const headersOf = (server: TestServer, token: string | null | undefined): Record<string, string> =>
  token === undefined ? authorizationFor(server.endpoint) : token === null ? {} : { authorization: `Bearer ${token}` }

const overPost: Ask = async (server, asked, token) => {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headersOf(server, token) },
    body: JSON.stringify(asked),
  })
  return (await response.json()) as Answer
}

const overGet: Ask = async (server, asked, token) => {
  const { variables, extensions, ...words } = asked
  const parameters = new URLSearchParams(words as Record<string, string>)
  if (variables) parameters.set('variables', JSON.stringify(variables))
  if (extensions) parameters.set('extensions', JSON.stringify(extensions))
  const response = await fetch(`${server.endpoint}?${parameters}`, { headers: headersOf(server, token) })
  return (await response.json()) as Answer
}

const overStream: Ask = async (server, asked, token) => {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headersOf(server, token) },
    body: JSON.stringify(asked),
  })
  const text = await response.text()
  if (text.startsWith('{')) return JSON.parse(text) as Answer
  const data = /^data: ?(.+)$/m.exec(text)?.[1] as string
  return JSON.parse(data) as StreamEvent['data'] as Answer
}

const overSocket: Ask = async (server, asked, token) => {
  const client: SocketClient = await openClient(server.socketEndpoint, token === undefined ? {} : { token })
  client.send({ type: 'subscribe', id: 'asked', payload: { query: '', ...asked } })
  const { type, payload } = await client.waitForMessage()
  client.webSocket.close()
  return type === 'error' ? { errors: payload } : payload
}

/** All of them, for a test that is made for each. */
export const TRANSPORTS = [
  { transport: 'POST', ask: overPost },
  { transport: 'GET', ask: overGet },
  { transport: 'server-sent events', ask: overStream },
  { transport: 'WebSocket', ask: overSocket },
] as const
