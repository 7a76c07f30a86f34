import type { IncomingMessage, Server, ServerResponse } from 'node:http'
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
  const open = new Map<ServerResponse, IncomingMessage>()
  const sockets = new Set<Socket>()
  http.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  let leaving = false
  http.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    open.set(response, request)
    if (leaving) response.shouldKeepAlive = false
    response.once('close', () => {
      open.delete(response)
      if (leaving) http.closeIdleConnections()
    })
  })
  return {
    leave() {
      leaving = true
      for (const [response, { headers }] of open) {
        const isStream = /^text\/event-stream/.test(String(response.getHeader('content-type')))
        // One that is being made: by the time it is there, nothing would end it.
        const willBeStream = !response.headersSent && /^text\/event-stream/.test(headers.accept ?? '')
        if (isStream || willBeStream) response.destroy()
        else if (!response.headersSent) response.shouldKeepAlive = false
      }
      // Those that have asked for nothing, or only half: a browser opens connections beforehand.
      const answering = new Set([...open.keys()].map(({ socket }) => socket))
      for (const socket of sockets) if (!answering.has(socket)) socket.destroy()
    },
  }
}
