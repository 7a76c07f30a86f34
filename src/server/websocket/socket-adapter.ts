import type { IncomingMessage } from 'node:http'
import { CloseCode, type Context, handleProtocols, MessageType, makeServer, type ServerOptions } from 'graphql-ws'
import type { WebSocket, WebSocketServer } from 'ws'
import type { Connection } from '../http/connection.ts'
import type { Connections } from '../http/connections.ts'
import { SLOW_CONSUMER } from './close-codes.ts'
import { Operations } from './operations.ts'
import { Utf8Socket } from './utf8-socket.ts'

/*
 * graphql-ws on sockets of ws. The library's own adapter (graphql-ws/use/ws) prints what goes wrong on the console, a stack
 * for each frame that is too large; here it is passed on. A client sees nothing internal.
 *
 * What waits for a client is bounded: past READING_STOPS_BYTES nothing more is read from its socket until it has taken all of
 * it, and past the bounds of Connections the socket is closed with SLOW_CONSUMER.
 */

/** The largest message a client may send. */
const MESSAGE_BYTES_MAX = 64 * 1024

/** How long a client may take to answer a close frame. Then it is cut. */
const CLOSE_TIMEOUT_MS = 1_000

// `closeTimeout` is missing from @types/ws 8.18.
export const SOCKET_SERVER_OPTIONS = {
  noServer: true,
  maxPayload: MESSAGE_BYTES_MAX,
  closeTimeout: CLOSE_TIMEOUT_MS,
  // The adapter answers pings, as long as their answers are read.
  autoPong: false,
  WebSocket: Utf8Socket,
}

/** The largest answer of common use, several times over. */
const READING_STOPS_BYTES = 256 * 1024

/** What hooks know of a connection. */
interface SocketExtra {
  socket: WebSocket
  request: IncomingMessage
  connection: Connection
  operations: Operations
}

export type SocketContext = Context<Record<string, unknown> | undefined, SocketExtra>

export type SocketOptions = ServerOptions<Record<string, unknown> | undefined, SocketExtra> & {
  /** How often a client is pinged. One that has not answered by the next time is let go. */
  pingIntervalMs: number
  connections: Connections
  /** Called with what goes wrong on a socket: a frame that cannot be read, an answer that cannot be sent, a fault. */
  onSocketError: (error: unknown, socket: WebSocket) => void
}

/** Speaks the protocol graphql-transport-ws with whoever connects from now on. */
export function adaptSockets(
  { pingIntervalMs, onSocketError, connections, ...options }: SocketOptions,
  sockets: WebSocketServer,
): void {
  const server = makeServer(options)
  sockets.options.handleProtocols = handleProtocols
  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const connection = connections.of(request.socket)
    connection.cut = () => socket.close(SLOW_CONSUMER, 'Slow consumer')
    const fail = (error: unknown) => {
      onSocketError(error, socket)
      // Of a frame that breaks the protocol ws itself says so, with a code of its own.
      socket.close(CloseCode.InternalServerError, 'Internal server error')
    }
    socket.on('error', fail)
    const pinging = new Pinging(socket, connection, pingIntervalMs)
    const stopReadingPast = () => {
      if (socket.isPaused || connection.unreadBytes <= READING_STOPS_BYTES) return
      socket.pause()
      // Its pong is not read either.
      pinging.skip()
      connection.socket.once('drain', () => socket.resume())
    }
    const operations = new Operations()
    socket.on('ping', (payload) => {
      // The last of many pings is the one to answer (RFC 6455, 5.5.3). The others of this chunk were read already.
      if (socket.readyState !== socket.OPEN || socket.isPaused) return
      socket.pong(payload)
      connection.written()
      stopReadingPast()
    })
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            connection.unsentMessages++
            socket.send(data, (error) => {
              connection.unsentMessages--
              // What waits for a socket that is being closed is not sent any more: nothing has failed.
              if (error && socket.readyState === socket.OPEN) reject(error)
              else resolve()
            })
            connection.written()
            stopReadingPast()
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) =>
          socket.on('message', (data) => {
            // It is being closed: nothing more is begun.
            if (socket.readyState !== socket.OPEN) return
            const text = String(data)
            const id = subscribedId(text)
            const operation = id === undefined ? undefined : operations.start(id)
            handle(text)
              .catch(fail)
              .finally(() => operation && operations.end(id as string, operation))
          }),
      },
      { socket, request, connection, operations },
    )
    socket.once('close', (code, reason) => {
      pinging.stop()
      closed(code, String(reason)).catch((error) => onSocketError(error, socket))
    })
  })
}

/** The id of a `subscribe` message; undefined: it is another, or graphql-ws refuses it. */
function subscribedId(text: string): string | undefined {
  try {
    const { type, id } = JSON.parse(text)
    return type === MessageType.Subscribe && typeof id === 'string' ? id : undefined
  } catch {
    return undefined
  }
}

/** Lets go of a client that does not answer a ping by the time of the next. */
class Pinging {
  readonly #interval: NodeJS.Timeout
  #pongTimer: NodeJS.Timeout | undefined

  constructor(socket: WebSocket, connection: Connection, intervalMs: number) {
    socket.on('pong', () => this.skip())
    this.#interval = setInterval(() => {
      // A ping would come behind what waits. Whether the client takes any of that is looked after by Connections.
      if (socket.readyState !== socket.OPEN || connection.unreadBytes > 0) return
      this.#pongTimer = setTimeout(() => socket.terminate(), intervalMs)
      socket.ping()
    }, intervalMs)
  }

  /** Waits no longer for the answer to the last ping. */
  skip(): void {
    clearTimeout(this.#pongTimer)
  }

  stop(): void {
    clearInterval(this.#interval)
    clearTimeout(this.#pongTimer)
  }
}
