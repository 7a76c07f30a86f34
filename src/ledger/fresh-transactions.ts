import { type SQL, sql } from 'drizzle-orm'

/**
 * For a `where` over the ledger: what `snapshot` sees and the snapshot `previous` did not (its transactions in flight are
 * `inFlight`, as an array). The first two conditions are for the index; the last one is the rule.
 */
export const isFresh = (snapshot: SQL) => sql`
  (recorded_xid >= pg_snapshot_xmax(${sql.placeholder('previous')}::pg_snapshot) or recorded_xid = any(${sql.placeholder('inFlight')}::xid8[]))
  and recorded_xid < pg_snapshot_xmax(${snapshot})
  and pg_visible_in_snapshot(recorded_xid, ${snapshot})`
