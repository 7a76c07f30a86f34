import postgres from 'postgres'

export interface ListenerOptions {
  /** Of PostgreSQL itself: a pooler forgets who listens. */
  url: string
  channel: string
  onNotification: (payload: string) => void
  /** Listening began, or began again: notifications may have been missed. */
  onListening: () => void
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
 * Hears and speaks on a channel of PostgreSQL's NOTIFY. Nobody is told what was said while they did not listen, so a
 * notification may only ever be a hint. When its connection dies it listens again by itself, however long that takes.
 */
export function openListener({ url, channel, onNotification, onListening }: ListenerOptions): Listener {
  const sql = postgres(url, {
    max: 1,
    connection: { application_name: 'thesaurum listening' },
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    backoff: () => RECONNECT_PAUSE,
    fetch_types: false,
    onnotice: () => {},
  })
  // A failure now is one like any later one: it goes on trying.
  sql.listen(channel, onNotification, onListening).catch(() => {})
  return {
    async notify(payload) {
      await sql.notify(channel, payload)
    },
    close: () => sql.end({ timeout: 1 }),
  }
}
