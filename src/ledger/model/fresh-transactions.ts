import { type SQL, sql } from 'drizzle-orm'
import { readSnapshot, type Snapshot } from './snapshot.ts'

/**
 * A condition for rows of the ledger: `snapshot` sees them, and the snapshot `previous` does not. The last two lines are the
 * rule. The range before them lets the planner use the index and estimate the number of rows.
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
