import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from '../../auth/model/network.ts'
import type { Config } from '../../config.ts'
import type { Caller } from '../../schema/context.ts'
import { noteConnection } from '../../turns.ts'
import { countedAs } from '../graphql/viewer-count.ts'
import { RequestTurns } from '../request-turns.ts'
import { type Answer, Connection } from './connection.ts'
import { Unread, type UnreadLimits } from './unread.ts'

export interface ConnectionLimits {
  /** Connections of one network (an IPv4 address, an IPv6 /64), WebSockets included. */
  connectionsPerClientMax: number
  /** HTTP requests that one connection may have in flight, by pipelining. */
  requestsMax: number
  unread: UnreadLimits
  /** How often it is looked for clients that take nothing of what waits for them: they are cut at the second look. */
  unreadTimeoutMs: number
}

/** The part of the configuration that connections need. */
export function connectionLimits(config: Config): ConnectionLimits {
  return {
    // Behind a proxy all connections have its address, so the proxy must limit them.
    connectionsPerClientMax:
      config.TRUSTED_PROXY_COUNT > 0 ? Number.POSITIVE_INFINITY : config.CONNECTIONS_PER_CLIENT_MAX,
    requestsMax: config.REQUESTS_PER_CONNECTION_MAX,
    unreadTimeoutMs: config.UNREAD_TIMEOUT_MS,
    unread: {
      connectionMax: config.UNREAD_BYTES_PER_CONNECTION_MAX,
      viewerMax: config.UNREAD_BYTES_PER_VIEWER_MAX,
      strangersMax: config.UNREAD_BYTES_OF_STRANGERS_MAX,
      totalMax: config.UNREAD_BYTES_MAX,
    },
  }
}

/**
 * The connections of an HTTP server, those that became WebSockets included. It bounds what one may have in flight and leave
 * unread, and cuts those whose client takes nothing from one look to the next. It also knows what the server is answering,
 * so that the server can stop within moments: kept alive, a connection would hold it up for seconds after its last answer.
 */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #unread: Unread
  readonly #open = new Map<Socket, Connection>()
  /** Connections by network. */
  readonly #counts = new Map<string, number>()
  /** The bytes that each client had taken at the last look. */
  #taken = new Map<Connection, number>()
  readonly #timer: NodeJS.Timeout
  readonly #turns = new RequestTurns()
  #http: Server | undefined
  #isLeaving = false

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
    this.#unread = new Unread(limits.unread)
    this.#timer = setInterval(() => this.#cutStalled(), limits.unreadTimeoutMs).unref()
  }

  /** Connections that are open. */
  get count(): number {
    return this.#open.size
  }

  /** Requests that are being answered. */
  get requestCount(): number {
    let count = 0
    for (const { answers } of this.#open.values()) count += answers.size
    return count
  }

  /** Bytes that wait for clients. */
  get unreadBytes(): number {
    return this.#unread.bytes
  }

  /** Takes every connection that a server accepts from now on. */
  watch(http: Server): void {
    this.#http = http
    http.on('connection', (socket: Socket) => {
      // Node emits a connection again after it offered another protocol.
      if (this.#open.has(socket)) return
      noteConnection()
      // Closed without an answer, which would cost more than the connection.
      if (this.#count(socket)) this.of(socket)
      else socket.destroy()
    })
  }

  of(socket: Socket): Connection {
    const known = this.#open.get(socket)
    if (known) return known
    const connection = new Connection(socket, this.#onWritten)
    // It may be gone by the time that it is known who sent a request.
    if (socket.destroyed) return connection
    this.#open.set(socket, connection)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#unread.forget(connection)
    })
    socket.on('drain', () => this.#unread.count(connection))
    return connection
  }

  /** @returns false if its network has too many connections already. */
  #count(socket: Socket): boolean {
    const network = networkOf(socket.remoteAddress ?? '')
    const count = this.#counts.get(network) ?? 0
    if (count >= this.#limits.connectionsPerClientMax) return false
    this.#counts.set(network, count + 1)
    socket.once('close', () => {
      const left = (this.#counts.get(network) ?? 1) - 1
      if (left > 0) this.#counts.set(network, left)
      else this.#counts.delete(network)
    })
    return true
  }

  readonly #onWritten = (connection: Connection) => this.#unread.count(connection)

  /**
   * Takes a request that came, with the answer that is to be made.
   *
   * @returns false: its connection has too many in flight. This one is to be refused, and the connection to be closed behind
   *   the refusal. A client that goes on all the same is cut.
   */
  begin(request: IncomingMessage, answer: Answer): boolean {
    const connection = this.of(request.socket)
    connection.add(answer)
    if (this.#isLeaving) {
      answer.shouldKeepAlive = false
      answer.once('close', () => this.#http?.closeIdleConnections())
    }
    const { requestsMax } = this.#limits
    if (connection.answers.size > 2 * requestsMax) connection.cut()
    return connection.answers.size <= requestsMax
  }

  /**
   * Asks to work on a request, or on an operation of a WebSocket.
   *
   * @param socket the connection that it came on.
   * @returns undefined when the work may begin at once. Else it resolves later, with false if the connection has closed: no
   *   work is to be done then.
   */
  takeTurn(caller: Caller, socket: Socket): Promise<boolean> | undefined {
    return this.#turns.take(countedAs(caller), () => socket.destroyed)
  }

  /**
   * Cuts event streams, and lets all other answers end, each with its connection. To be called once the server takes no new
   * connections. Event streams are cut short of `event: complete`, after which a client would stop for good.
   */
  leave(): void {
    this.#isLeaving = true
    for (const { socket, answers } of [...this.#open.values()]) {
      // It has asked for nothing, or only half: a browser opens connections beforehand.
      if (answers.size === 0) socket.destroy()
      for (const answer of answers) {
        const isStream = /^text\/event-stream/.test(String(answer.getHeader('content-type')))
        // One that is being made: by the time it is there, nothing would end it.
        const willBeStream = !answer.headersSent && /^text\/event-stream/.test(answer.req.headers.accept ?? '')
        if (isStream || willBeStream) answer.destroy()
        else if (!answer.headersSent) answer.shouldKeepAlive = false
        answer.once('close', () => this.#http?.closeIdleConnections())
      }
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #cutStalled(): void {
    const taken = new Map<Connection, number>()
    for (const connection of [...this.#unread.connections]) {
      this.#unread.count(connection)
      // What waits behind an answer that is still being made is not the client's to take yet.
      if (connection.socket.writableLength === 0) continue
      const bytes = takenBytesOf(connection.socket)
      if (this.#taken.get(connection) === bytes) connection.cut()
      else taken.set(connection, bytes)
    }
    this.#taken = taken
  }
}

/**
 * What the kernel has taken of all that was written. Node shows it to its own time-outs alone (`_onTimeout` in lib/net.js).
 * Without that, one large answer over a slow line would seem to stand still, since it is counted as a whole when it has gone.
 */
function takenBytesOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle')
  if (typeof handle === 'object' && handle !== null && 'bytesWritten' in handle && 'writeQueueSize' in handle) {
    return Number(handle.bytesWritten) - Number(handle.writeQueueSize)
  }
  return socket.bytesWritten - socket.writableLength
}
