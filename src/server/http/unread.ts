import type { Connection } from './connection.ts'

/** In bytes that were written for clients and have not been taken by them. */
export interface UnreadLimits {
  connectionMax: number
  /** Of all connections of one viewer. */
  viewerMax: number
  /** Of all connections of callers without a token. */
  strangersMax: number
  /** Of all connections. */
  totalMax: number
}

/** Connections with unread bytes, and how many these are. */
class Tally {
  readonly bytesMax: number
  readonly connections = new Map<Connection, number>()
  bytes = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  set(connection: Connection, bytes: number): void {
    this.bytes += bytes - (this.connections.get(connection) ?? 0)
    if (bytes > 0) this.connections.set(connection, bytes)
    else this.connections.delete(connection)
  }

  largest(): Connection | undefined {
    let largest: Connection | undefined
    let most = 0
    for (const [connection, bytes] of this.connections) {
      if (bytes <= most) continue
      most = bytes
      largest = connection
    }
    return largest
  }
}

const STRANGERS = 'strangers'

/**
 * Limits the bytes that wait in memory for clients that do not read: per connection, per viewer, for all callers without a
 * token, and in all. Above a limit, the connection with the most unread bytes is closed, until the limit holds. A client that
 * reads has almost none, since the kernel buffers a few megabytes.
 *
 * A single answer may exceed the limit of its connection and of its viewer: its cost is limited already.
 */
export class Unread {
  readonly #limits: UnreadLimits
  readonly #total: Tally
  readonly #shares = new Map<string, Tally>()
  readonly #shareOf = new Map<Connection, string>()

  constructor(limits: UnreadLimits) {
    this.#limits = limits
    this.#total = new Tally(limits.totalMax)
  }

  /** Those that have unread bytes, as far as is known. */
  get connections(): Iterable<Connection> {
    return this.#total.connections.keys()
  }

  get bytes(): number {
    return this.#total.bytes
  }

  /** Counts a connection anew, after something was written for it. */
  count(connection: Connection): void {
    const bytes = connection.unreadBytes
    if (bytes === 0 && !this.#shareOf.has(connection)) return
    const tally = this.#set(connection, bytes)
    if (bytes === 0) return
    if (bytes > this.#limits.connectionMax && !connection.hasOneAnswer) this.#cut(connection)
    this.#bound(tally)
    this.#bound(this.#total)
  }

  /** For a connection that is gone. */
  forget(connection: Connection): void {
    if (this.#shareOf.has(connection)) this.#set(connection, 0)
  }

  #set(connection: Connection, bytes: number): Tally {
    const { caller } = connection
    const share = caller && caller.viewer.role !== null ? caller.viewer.key : STRANGERS
    const before = this.#shareOf.get(connection)
    // A connection may send requests of several viewers: what waits for it counts for the latest.
    if (before !== undefined && before !== share) this.#setIn(before, connection, 0)
    this.#total.set(connection, bytes)
    if (bytes > 0) this.#shareOf.set(connection, share)
    else this.#shareOf.delete(connection)
    return this.#setIn(share, connection, bytes)
  }

  #setIn(share: string, connection: Connection, bytes: number): Tally {
    const { viewerMax, strangersMax } = this.#limits
    const tally = this.#shares.get(share) ?? new Tally(share === STRANGERS ? strangersMax : viewerMax)
    tally.set(connection, bytes)
    if (tally.connections.size > 0) this.#shares.set(share, tally)
    else this.#shares.delete(share)
    return tally
  }

  #bound(tally: Tally): void {
    if (tally.bytes <= tally.bytesMax) return
    // Much of it may have been taken meanwhile.
    for (const connection of [...tally.connections.keys()]) this.#set(connection, connection.unreadBytes)
    while (tally.bytes > tally.bytesMax) {
      const largest = tally.largest()
      if (!largest || (tally.connections.size === 1 && largest.hasOneAnswer)) return
      this.#cut(largest)
    }
  }

  #cut(connection: Connection): void {
    this.forget(connection)
    connection.cut()
  }
}
