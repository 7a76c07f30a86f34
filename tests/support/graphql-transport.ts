import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { operatorTokenFor } from './operator.ts'
import { PATIENCE_MS } from './patience.ts'
import type { Answer } from './server.ts'

/*
 * Clients that show what really goes over the wire. Both queue all that arrives: a test takes it when it is ready,
 * and nothing is lost in between. Whatever a test has opened is cut when it ends.
 */

export const PROTOCOL = 'graphql-transport-ws'

/** A message of graphql-transport-ws. */
interface Message {
  type: string
  id?: string
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  payload?: any
}

export interface Operation {
  query: string
  variables?: Record<string, unknown>
  operationName?: string
}

export interface SocketClient {
  webSocket: WebSocket
  /** Sends a message; a string goes as it is. */
  send(message: Message | string): void
  subscribe(id: string, operation: Operation): void
  /** The oldest message not taken yet, or the next to come. */
  waitForMessage(): Promise<Message>
  /** How the server closed the socket. */
  waitForClose(): Promise<{ code: number; reason: string }>
  /** Sends a ping and takes all messages before its pong: what the server had said by then. */
  drain(): Promise<Message[]>
}

export interface SocketOptions {
  /** What the client offers; none: an empty list. */
  protocol?: string | string[]
  headers?: Record<string, string>
  /** What to show; without it an operator's token, and with null nothing. */
  token?: string | null
}

/** Opens a socket, and says nothing on it. */
export async function openSocket(
  endpoint: string,
  { protocol = PROTOCOL, headers = {} }: SocketOptions = {},
): Promise<SocketClient> {
  const webSocket = new WebSocket(endpoint, protocol, { headers })
  onTestFinished(() => webSocket.terminate())
  const messages = new Queue<Message>('a message')
  const closes = new Queue<{ code: number; reason: string }>('the close')
  webSocket.on('message', (data) => messages.push(JSON.parse(String(data))))
  webSocket.on('close', (code, reason) => {
    messages.end(`the socket was closed (${code} ${reason})`)
    closes.push({ code, reason: String(reason) })
  })
  await once(webSocket, 'open')

  const send = (message: Message | string) =>
    webSocket.send(typeof message === 'string' ? message : JSON.stringify(message))
  return {
    webSocket,
    send,
    subscribe: (id, operation) => send({ type: 'subscribe', id, payload: operation }),
    waitForMessage: () => messages.take(),
    waitForClose: () => closes.take(),
    async drain() {
      send({ type: 'ping' })
      const drained: Message[] = []
      for (;;) {
        const message = await messages.take()
        if (message.type === 'pong') return drained
        drained.push(message)
      }
    },
  }
}

/** Opens a socket that is ready for operations. */
export async function openClient(endpoint: string, options?: SocketOptions): Promise<SocketClient> {
  const client = await openSocket(endpoint, options)
  const token = options?.token === undefined ? operatorTokenFor(endpoint) : options.token
  client.send({ type: 'connection_init', payload: token === null ? {} : { authorization: `Bearer ${token}` } })
  const { type } = await client.waitForMessage()
  if (type !== 'connection_ack') throw new Error(`expected connection_ack, got ${type}`)
  return client
}

/** Asks for a socket where none should be given: the HTTP status of the refusal. */
export async function refusalOf(
  endpoint: string,
  { protocol = PROTOCOL, headers = {} }: SocketOptions = {},
): Promise<number | undefined> {
  const webSocket = new WebSocket(endpoint, protocol, { headers })
  webSocket.on('error', () => {})
  onTestFinished(() => webSocket.terminate())
  webSocket.once('open', () => webSocket.emit('unexpected-response', undefined, { statusCode: 101, resume() {} }))
  const [, response] = (await once(webSocket, 'unexpected-response')) as [unknown, IncomingMessage]
  response.resume()
  return response.statusCode
}

/** A frame of an event stream. */
export interface StreamEvent {
  event: string
  data: Answer | undefined
}

export interface StreamClient {
  response: Response
  waitForEvent(): Promise<StreamEvent>
  /** Waits until the stream is over; answers with the events that nobody has taken, and whether it was cut short. */
  waitForEnd(): Promise<{ left: StreamEvent[]; cut: boolean }>
  /** Hangs up. */
  abort(): void
}

/** Runs an operation over server-sent events, with nothing but fetch. Once it is there, the server has subscribed. */
export async function openStream(
  endpoint: string,
  operation: Operation,
  token: string | null = operatorTokenFor(endpoint),
): Promise<StreamClient> {
  const hangUp = new AbortController()
  onTestFinished(() => hangUp.abort())
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(operation),
    signal: hangUp.signal,
  })
  const events = new Queue<StreamEvent>('an event')
  const ended = readFrames(response, (frame) => events.push(frame)).then(
    () => ({ cut: false }),
    () => ({ cut: true }),
  )
  void ended.then(() => events.end('the stream was over'))
  return {
    response,
    waitForEvent: () => events.take(),
    async waitForEnd() {
      const { cut } = await ended
      return { left: events.takeAll(), cut }
    },
    abort: () => hangUp.abort(),
  }
}

async function readFrames(response: Response, take: (frame: StreamEvent) => void): Promise<void> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1)
      const event = field('event')?.trim()
      const data = field('data')?.trim()
      // What has neither is a comment that keeps the connection alive.
      if (event !== undefined) take({ event, data: data ? JSON.parse(data) : undefined })
    }
  }
}

class Queue<Item> {
  readonly #what: string
  readonly #items: Item[] = []
  #waiting: { resolve: (item: Item) => void; reject: (error: Error) => void } | undefined
  #ended: string | undefined

  constructor(what: string) {
    this.#what = what
  }

  push(item: Item): void {
    const waiting = this.#stopWaiting()
    if (waiting) waiting.resolve(item)
    else this.#items.push(item)
  }

  end(why: string): void {
    this.#ended = why
    this.#fail(why)
  }

  async take(): Promise<Item> {
    const item = this.#items.shift()
    if (item !== undefined) return item
    if (this.#waiting) throw new Error(`two wait for ${this.#what}`)
    const late = setTimeout(() => this.#fail(`nothing came in ${PATIENCE_MS} ms`), PATIENCE_MS)
    try {
      return await new Promise<Item>((resolve, reject) => {
        this.#waiting = { resolve, reject }
        if (this.#ended !== undefined) this.#fail(this.#ended)
      })
    } finally {
      clearTimeout(late)
    }
  }

  takeAll(): Item[] {
    return this.#items.splice(0)
  }

  #fail(why: string): void {
    this.#stopWaiting()?.reject(new Error(`waited for ${this.#what}, but ${why}`))
  }

  /** At once: several items may come before whoever waited for the first goes on. */
  #stopWaiting() {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }
}
