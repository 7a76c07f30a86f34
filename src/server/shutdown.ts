import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Answers {
  /**
   * Cuts event streams, and lets all other answers end, each with its connection. To be called once the server takes
   * no new connections.
   */
  leave(): void
  /**
   * Calls back once all that a connection has asked so far is answered. If it is cut before, what it asked is given up,
   * and nobody is called.
   */
  whenAnswered(socket: Socket, done: () => void): void
}

/**
 * Knows what a server is answering, so that it can stop within moments: kept alive, a connection would hold it up for
 * seconds after its last answer. Event streams are cut short of `event: complete`, after which a client would stop for
 * good.
 */
export function watchAnswers(http: Server): Answers {
  /** Every connection, with what it is being answered. */
  const open = new Map<Socket, Set<ServerResponse>>()
  http.on('connection', (socket: Socket) => {
    // One whose offer of another protocol was passed over comes again.
    if (open.has(socket)) return
    open.set(socket, new Set())
    socket.once('close', () => open.delete(socket))
  })
  let leaving = false
  http.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const answers = open.get(socket)
    answers?.add(response)
    if (leaving) response.shouldKeepAlive = false
    response.once('close', () => {
      answers?.delete(response)
      if (leaving) http.closeIdleConnections()
    })
  })
  return {
    leave() {
      leaving = true
      for (const [socket, answers] of open) {
        // One that has asked for nothing, or only half: a browser opens connections beforehand.
        if (answers.size === 0) socket.destroy()
        for (const response of answers) {
          const isStream = /^text\/event-stream/.test(String(response.getHeader('content-type')))
          // One that is being made: by the time it is there, nothing would end it.
          const willBeStream = !response.headersSent && /^text\/event-stream/.test(response.req.headers.accept ?? '')
          if (isStream || willBeStream) response.destroy()
          else if (!response.headersSent) response.shouldKeepAlive = false
        }
      }
    },
    whenAnswered(socket, done) {
      const answers = [...(open.get(socket) ?? [])]
      if (answers.length === 0) return done()
      const giveUp = () => {
        for (const { req } of answers) req.destroy()
      }
      socket.once('close', giveUp)
      let left = answers.length
      for (const response of answers) {
        response.once('close', () => {
          left -= 1
          if (left > 0 || socket.destroyed) return
          socket.off('close', giveUp)
          done()
        })
      }
    },
  }
}
