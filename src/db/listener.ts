import pg from 'pg'
import postgres from 'postgres'

export interface ListenerOptions {
  /** Of PostgreSQL itself: a pooler forgets who listens. */
  url: string
  channel: string
  onNotification: (payload: string) => void
  /** Listening began, or began again: notifications may have been missed. */
  onListening: () => void
  /** Called when it cannot listen at the start; it goes on trying. */
  onError: (error: unknown) => void
}

export interface Listener {
  /** Outside any transaction: one that notifies takes a lock on all commits. Rejects when it could not be said. */
  notify(payload: string): Promise<void>
  close(): Promise<void>
}

/** How long the library waits before it connects again, in seconds. Its own pauses grow to twenty. */
const RECONNECT_PAUSE = 0.25
const CONNECT_TIMEOUT_SECONDS = 5

/**
 * Hears and speaks on a channel of PostgreSQL's NOTIFY. What was sent while nobody listened is lost, so a
 * notification may only ever be a hint. When its connection dies it listens again by itself, however long that takes.
 */
export function openListener({ url, channel, onNotification, onListening, onError }: ListenerOptions): Listener {
  // As the other pools read the URL: this library would send what it does not know on to the server.
  const { host, port, user, password, database, ssl } = new pg.Client({ connectionString: url })
  const sql = postgres({
    host,
    port,
    ...(user === undefined ? {} : { user }),
    ...(typeof password === 'string' ? { password } : {}),
    ...(database === undefined ? {} : { database }),
    ssl,
    max: 1,
    connection: { application_name: 'thesaurum listening' },
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    backoff: () => RECONNECT_PAUSE,
    fetch_types: false,
    onnotice: () => {},
  })
  let closing = false
  sql.listen(channel, onNotification, onListening).catch((error) => {
    if (!closing) onError(error)
  })
  return {
    async notify(payload) {
      await sql.notify(channel, payload)
    },
    close() {
      closing = true
      return sql.end({ timeout: 1 })
    },
  }
}
