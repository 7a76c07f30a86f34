import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'

/** A request that a server in this process has seen. */
export interface SeenRequest {
  method: string
  url: string
  headers: IncomingHttpHeaders
  response: ServerResponse
}

export interface Requests {
  /** In the order they came. */
  seen: SeenRequest[]
  stop(): void
}

/** Records every request that comes to an address of this process, whatever server listens there. */
export function recordRequests(address: string): Requests {
  const { host } = new URL(address)
  const seen: SeenRequest[] = []
  const record = (message: unknown) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
    const { method = '', url = '', headers } = request
    if (headers.host === host) seen.push({ method, url, headers, response })
  }
  subscribe('http.server.request.start', record)
  return { seen, stop: () => void unsubscribe('http.server.request.start', record) }
}
