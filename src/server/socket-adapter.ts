import type { IncomingMessage } from 'node:http'
import { CloseCode, type Context, handleProtocols, makeServer, type ServerOptions } from 'graphql-ws'
import type { WebSocket, WebSocketServer } from 'ws'

/*
 * graphql-ws on sockets of ws. The library's own adapter (graphql-ws/use/ws) prints what goes wrong on the console, a stack
 * for each frame that is too large; here it is handed over. A client is told nothing of the inside.
 */

/** What hooks know of a connection. */
export interface SocketExtra {
  socket: WebSocket
  request: IncomingMessage
}

export type SocketContext = Context<Record<string, unknown> | undefined, SocketExtra>

export type SocketOptions = ServerOptions<Record<string, unknown> | undefined, SocketExtra> & {
  /** How often a client is pinged. One that has not answered by the next time is let go. */
  pingIntervalMs: number
  /** Told of what goes wrong on a socket: a frame that cannot be read, an answer that cannot be sent, a fault. */
  onSocketError: (error: unknown, socket: WebSocket) => void
}

/** Speaks the protocol graphql-transport-ws with whoever connects from now on. */
export function adaptSockets(
  { pingIntervalMs, onSocketError, ...options }: SocketOptions,
  sockets: WebSocketServer,
): void {
  const server = makeServer(options)
  sockets.options.handleProtocols = handleProtocols
  sockets.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    const fail = (error: unknown) => {
      onSocketError(error, socket)
      // Of a frame that breaks the protocol ws itself says so, with a code of its own.
      socket.close(CloseCode.InternalServerError, 'Internal server error')
    }
    socket.on('error', fail)
    const stopPinging = pingEvery(pingIntervalMs, socket)
    const closed = server.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve, reject) => {
            if (socket.readyState !== socket.OPEN) return resolve()
            socket.send(data, (error) => (error ? reject(error) : resolve()))
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => socket.on('message', (data) => void handle(String(data)).catch(fail)),
      },
      { socket, request },
    )
    socket.once('close', (code, reason) => {
      stopPinging()
      closed(code, String(reason)).catch((error) => onSocketError(error, socket))
    })
  })
}

/** @returns ends the pinging. */
function pingEvery(intervalMs: number, socket: WebSocket): () => void {
  let pongTimer: NodeJS.Timeout | undefined
  const pinging = setInterval(() => {
    if (socket.readyState !== socket.OPEN) return
    pongTimer = setTimeout(() => socket.terminate(), intervalMs)
    socket.once('pong', () => clearTimeout(pongTimer))
    socket.ping()
  }, intervalMs)
  return () => {
    clearInterval(pinging)
    clearTimeout(pongTimer)
  }
}
