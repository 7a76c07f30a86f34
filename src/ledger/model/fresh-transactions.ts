import { type SQL, sql } from 'drizzle-orm'
import { readSnapshot, type Snapshot } from './snapshot.ts'

/**
 * For a `where` over the ledger: what `snapshot` sees and the snapshot `previous` did not. The first two conditions are one
 * plain range, by which the planner finds the index and knows how little it is; the other two are the rule.
 */
export const isFresh = (snapshot: SQL) => sql`
  recorded_xid >= ${sql.placeholder('oldest')}::xid8 and recorded_xid < pg_snapshot_xmax(${snapshot})
  and not pg_visible_in_snapshot(recorded_xid, ${sql.placeholder('previous')}::pg_snapshot)
  and pg_visible_in_snapshot(recorded_xid, ${snapshot})`

/** What `isFresh` takes. */
export function freshAfter(previous: Snapshot): { previous: Snapshot; oldest: string } {
  const { xmax, inFlight } = readSnapshot(previous) as { xmax: bigint; inFlight: string[] }
  return { previous, oldest: inFlight[0] ?? String(xmax) }
}
