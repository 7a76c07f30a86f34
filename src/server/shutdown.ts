import type { Server, ServerResponse } from 'node:http'

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
      http.closeIdleConnections()
    },
  }
}
