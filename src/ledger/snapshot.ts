/**
 * A snapshot of PostgreSQL's, as `pg_current_snapshot()` writes it: `xmin:xmax:xip,xip…`. It tells which transactions had
 * committed when it was taken: those below xmax, without the ones that were still in flight.
 */
export type Snapshot = string

const SNAPSHOT = /^([1-9]\d{0,18}):([1-9]\d{0,18}):((?:[1-9]\d{0,18}(?:,[1-9]\d{0,18})*)?)$/

/** The parts of a snapshot; undefined when the text is none that PostgreSQL would read. */
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
