import { WebSocket } from 'k6/websockets'
import type { Account } from './accounts.ts'
import { credentials, SOCKET_ENDPOINT } from './ledger-api.ts'
import { failed, frames, frameTime } from './metrics.ts'

const WATCH = `subscription Watch($userId: ID!, $since: String) {
  entryPosted(userId: $userId, since: $since) { cursor sequence createdAt }
}`

export interface Subscription {
  /** The number of the last entry that came. */
  sequence(): number
  /** Cuts the connection and resumes from the last cursor on another. */
  resume(): void
  close(): void
}

/** Watches one account on a socket of its own. Whatever is not the next entry is a failure. */
export function openSubscription({ id }: Account, since: { cursor: string; sequence: number }): Subscription {
  let { cursor, sequence } = since
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
    return opened
  }

  // biome-ignore lint/suspicious/noExplicitAny: a suite knows what it asked for
  function receive({ type, payload }: { type: string; payload?: any }): void {
    if (type === 'connection_ack') {
      const subscribe = { query: WATCH, variables: { userId: id, since: cursor } }
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: subscribe }))
      return
    }
    if (type === 'ping') {
      socket.send(JSON.stringify({ type: 'pong' }))
      return
    }
    const entry = payload?.data?.entryPosted
    if (type !== 'next' || !entry) {
      failed(`subscription: ${type} ${JSON.stringify(payload)}`)
      return
    }
    frames.add(1)
    frameTime.add(Date.now() - Date.parse(entry.createdAt))
    if (entry.sequence !== sequence + 1) failed(`subscription: entry ${entry.sequence} after ${sequence}`)
    sequence = entry.sequence
    cursor = entry.cursor
  }

  return {
    sequence: () => sequence,
    resume() {
      const cut = socket
      socket = connect()
      cut.close()
    },
    close: () => socket.close(),
  }
}
