import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Connections } from '../http/connections.ts'

/*
 * Clients that would rather speak HTTP/2 offer it with a request (`Upgrade: h2c`: the JDK's by default, `curl --http2`). A
 * server may pass over such an offer and answer as if it were not there (RFC 9110, 7.8).
 *
 * Node can do that by itself, but not well: once its parser has seen the header it stops behind the request, and whatever
 * else came in the same packet is lost (seen on Node 20.20 and 24.21, `shouldUpgradeCallback` included). What comes next is
 * then read from the middle of a request. So every offer is taken here, where Node hands over the bytes behind it, and the
 * request goes back to the front of its connection without the header. Node then reads it like any other.
 */

export const asksForWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket'

/** Node keeps no more names and values than this, and says nothing of the others: among them may be the length of the body. */
const NAMES_AND_VALUES_MAX = 2_000

/** Reads requests that offer another protocol than WebSocket as if they offered none. */
export function passOverOffers(http: Server, connections: Connections): void {
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, behind: Buffer) => {
    if (asksForWebSocket(request)) return
    const ignore = () => {}
    socket.on('error', ignore)
    if (request.rawHeaders.length >= NAMES_AND_VALUES_MAX) {
      socket.end('HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    connections.of(request.socket).whenAnswered(() => {
      if (socket.destroyed || socket.writableEnded) return
      socket.off('error', ignore)
      // Set while the connection was idle, and known no more to whoever would clear it.
      request.socket.setTimeout(0)
      socket.unshift(Buffer.concat([headOf(request), behind]))
      http.emit('connection', socket)
    })
  })
}

/** The head of a request as it was sent, but for the header Upgrade. Node has refused whatever could end a line early. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const [name, value] = [rawHeaders[index] as string, rawHeaders[index + 1]]
    if (name.toLowerCase() !== 'upgrade') lines.push(`${name}:${value}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
