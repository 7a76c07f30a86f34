import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Answers {
  /**
   * Cuts event streams, and lets all other answers end, each with its connection. To be called once the server takes
   * no new connections.
   */
  leave(): void
}

/**
 * Knows what a server is answering, so that it can stop within moments: kept alive, a connection would hold it up for
 * seconds after its last answer. Event streams are cut short of `event: complete`, after which a client would stop for
 * good.
 */
export function watchAnswers(http: Server): Answers {
  const open = new Set<ServerResponse>()
  const sockets = new Set<Socket>()
  http.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  let leaving = false
  http.prependListener('request', (_request, response: ServerResponse) => {
    open.add(response)
    if (leaving) response.shouldKeepAlive = false
    response.once('close', () => {
      open.delete(response)
      if (leaving) http.closeIdleConnections()
    })
  })
  return {
    leave() {
      leaving = true
      for (const response of open) {
        if (/^text\/event-stream/.test(String(response.getHeader('content-type')))) response.destroy()
        else if (!response.headersSent) response.shouldKeepAlive = false
      }
      // Those that have asked for nothing, or only half: a browser opens connections beforehand.
      const answering = new Set([...open].map(({ socket }) => socket))
      for (const socket of sockets) if (!answering.has(socket)) socket.destroy()
    },
  }
}
