import { WebSocket } from 'k6/websockets'
import type { Account } from './accounts.ts'
import { credentials, SOCKET_ENDPOINT } from './ledger-api.ts'
import { failed, frames, frameTime } from './metrics.ts'

const WATCH = `subscription Watch($accountId: ID!, $since: String) {
  entryPosted(accountId: $accountId, since: $since) { cursor sequence createdAt }
}`

export interface Watched {
  account: Account
  /** Of the last entry that came; at first, of the balance it started from. */
  cursor: string
  sequence: number
}

export interface Subscriptions {
  /** Cuts the connection, and resumes each from its last cursor on another. */
  resume(): void
  close(): void
}

/**
 * Watches accounts, all on one socket: a viewer may have only so many. What comes is noted in `watched`; whatever is not the next
 * entry of its account is a failure.
 */
export function openSubscriptions(watched: Watched[]): Subscriptions {
  let isClosed = false
  let liveFrom = Number.POSITIVE_INFINITY
  let socket = connect()

  function connect(): WebSocket {
    // @types/k6 knows of no protocols; k6 does.
    const opened = new WebSocket(SOCKET_ENDPOINT, 'graphql-transport-ws' as unknown as null)
    opened.onopen = () => opened.send(JSON.stringify({ type: 'connection_init', payload: credentials }))
    opened.onmessage = (event) => {
      // What was still under way on a connection that was cut comes again on the next.
      if (opened === socket) receive(JSON.parse(event?.data as string))
    }
    opened.onerror = (event) => {
      if (opened === socket) failed(`socket: ${event?.error}`)
    }
    opened.onclose = () => {
      if (opened === socket && !isClosed) failed('socket: the server closed it')
    }
    return opened
  }

  // biome-ignore lint/suspicious/noExplicitAny: a suite knows what it asked for
  function receive({ id, type, payload }: { id?: string; type: string; payload?: any }): void {
    if (type === 'connection_ack') subscribeAll()
    else if (type === 'ping') socket.send(JSON.stringify({ type: 'pong' }))
    else if (type === 'next' && payload?.data?.entryPosted) note(watched[Number(id)], payload.data.entryPosted)
    else failed(`subscription: ${type} ${JSON.stringify(payload)}`)
  }

  function subscribeAll(): void {
    for (const [id, { account, cursor }] of watched.entries()) {
      const payload = { query: WATCH, variables: { accountId: account.id, since: cursor } }
      socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload }))
    }
    liveFrom = Date.now()
  }

  function note(of: Watched | undefined, entry: { cursor: string; sequence: number; createdAt: string }): void {
    if (entry.sequence !== (of?.sequence ?? 0) + 1) failed(`subscription: ${entry.sequence} after ${of?.sequence}`)
    if (of) Object.assign(of, { cursor: entry.cursor, sequence: entry.sequence })
    frames.add(1)
    const createdAt = Date.parse(entry.createdAt)
    // An older one was waiting for us to come.
    if (createdAt >= liveFrom) frameTime.add(Date.now() - createdAt)
  }

  return {
    resume() {
      const cut = socket
      liveFrom = Number.POSITIVE_INFINITY
      socket = connect()
      cut.close()
    },
    close() {
      isClosed = true
      socket.close()
    },
  }
}
