import { sql } from 'drizzle-orm'

/**
 * A snapshot as PostgreSQL's `pg_current_snapshot()` writes it: `xmin:xmax:xip,xip…`. It sees the database transactions
 * that had been committed when it was taken: those below xmax, except the ones that were still in flight.
 */
export type Snapshot = string

/**
 * The newest database transaction that has a visible row in the ledger; for statements that take a snapshot. Ordered by
 * the column: the bare name would be that of the text.
 */
export const headXid = sql<
  string | null
>`(select head.recorded_xid::text from public.transactions head order by head.recorded_xid desc limit 1)`

/**
 * A snapshot that sees the same rows of the ledger, and stays true for ever: it ends right after the newest row that it sees.
 *
 * PostgreSQL's own snapshot may end later, with database transactions that left nothing on disk (such as a NOTIFY). In a
 * crash PostgreSQL forgets them and uses their ids again, and a row with such an id would count as seen. A visible row is
 * on disk, so its id is never used again.
 *
 * @param head the newest database transaction with a row that the snapshot sees; null: there is none.
 */
export function durable(snapshot: Snapshot, head: string | null): Snapshot {
  const { inFlight } = readSnapshot(snapshot) as { inFlight: string[] }
  const xmax = BigInt(head ?? 0) + 1n
  const below = inFlight.filter((xid) => BigInt(xid) < xmax)
  return `${below[0] ?? xmax}:${xmax}:${below.join()}`
}

/** Whether the ledger has rows of database transactions that this PostgreSQL has not reached: it came from another one. */
export function isAhead(snapshot: Snapshot, head: string | null): boolean {
  const { xmax } = readSnapshot(snapshot) as { xmax: bigint }
  return head !== null && BigInt(head) >= xmax
}

const SNAPSHOT = /^([1-9]\d{0,18}):([1-9]\d{0,18}):((?:[1-9]\d{0,18}(?:,[1-9]\d{0,18})*)?)$/

/** The parts of a snapshot; undefined when PostgreSQL would not read the text as one. */
export function readSnapshot(text: string): { xmax: bigint; inFlight: string[] } | undefined {
  const match = SNAPSHOT.exec(text)
  if (!match) return undefined
  const [xmin, xmax] = [BigInt(match[1] as string), BigInt(match[2] as string)]
  const inFlight = match[3] ? match[3].split(',') : []
  let last = xmin - 1n
  for (const xid of inFlight.map(BigInt)) {
    if (xid <= last || xid >= xmax) return undefined
    last = xid
  }
  return xmin <= xmax ? { xmax, inFlight } : undefined
}

/** A snapshot that sees less: it ends right before the database transaction `end`, and does not see `hidden` either. */
export function cutSnapshot(snapshot: Snapshot, end: string, hidden: readonly string[]): Snapshot {
  const { inFlight } = readSnapshot(snapshot) as { inFlight: string[] }
  const xids = new Set([...inFlight, ...hidden].map(BigInt).filter((xid) => xid < BigInt(end)))
  const unseen = [...xids].sort((one, other) => (one < other ? -1 : 1))
  return `${unseen[0] ?? end}:${end}:${unseen.join()}`
}
