import { sql } from 'drizzle-orm'
import type { TransactionId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'
import { headXid, type Snapshot } from '../model/snapshot.ts'
import { entryColumns } from '../model/transaction.ts'

/**
 * The first `limit` transactions after a place that a snapshot sees and the one before did not, by time and then by id. The
 * snapshot is `snapshot` or, where that is null, that of this very statement, for which `head` makes it durable. One row
 * at least.
 *
 * What is fresh is found by the index on `recorded_xid` and sorted, so it must not be much. If the range from `xmax` on has
 * more than `rangeMax` rows, the statement returns only where it would have to be cut; if the transactions that were in
 * flight have more than `inFlightMax`, it says so and returns none either.
 *
 * The cut is looked for without an upper bound: PostgreSQL takes a range with two for a small one, and would sort all of it.
 * `offset 0` keeps PostgreSQL from looking for the fresh ones by time, from the beginning of the ledger.
 */
export const readFreshTransactions = preparedOnce((database) =>
  database
    .select({
      snapshot: sql<Snapshot>`now.snapshot::text`.as('snapshot'),
      head: sql<string | null>`now.head`.as('head'),
      /** The oldest database transaction of the range, and the one that row number `rangeMax` + 1 belongs to. */
      first: sql<string | null>`now.first::text`.as('first'),
      cut: sql<string | null>`now.cut::text`.as('cut'),
      isLarge: sql<boolean>`now.is_large`.as('is_large'),
      id: sql<TransactionId | null>`entry.id`.as('id'),
      ...entryColumns,
    })
    .from(
      sql`(
        select taken.*,
          (select recorded_xid from public.transactions
            where recorded_xid >= ${sql.placeholder('xmax')}::xid8 and recorded_xid < pg_snapshot_xmax(taken.snapshot)
            order by recorded_xid limit 1) as first,
          (select case when recorded_xid < pg_snapshot_xmax(taken.snapshot) then recorded_xid end from (
            select recorded_xid from public.transactions where recorded_xid >= ${sql.placeholder('xmax')}::xid8
            order by recorded_xid offset ${sql.placeholder('rangeMax')} limit 1) beyond) as cut,
          exists (select from public.transactions where recorded_xid = any(${sql.placeholder('inFlight')}::xid8[])
            offset ${sql.placeholder('inFlightMax')}) as is_large
        from (
          select coalesce(${sql.placeholder('snapshot')}::pg_snapshot, pg_current_snapshot()) as snapshot, ${headXid} as head
          offset 0
        ) taken
        offset 0
      ) now
      left join lateral (
        select * from (
          select * from public.transactions
          where recorded_xid >= ${sql.placeholder('xmax')}::xid8 and recorded_xid < pg_snapshot_xmax(now.snapshot)
          union all
          select * from public.transactions where recorded_xid = any(${sql.placeholder('inFlight')}::xid8[])
          offset 0
        ) fresh
        where now.cut is null and not now.is_large
          and pg_visible_in_snapshot(recorded_xid, now.snapshot)
          and (created_at, id) > (${sql.placeholder('createdAt')}::timestamptz, ${sql.placeholder('id')}::uuid)
        order by created_at, id limit ${sql.placeholder('limit')}
      ) entry on true`,
    )
    .orderBy(sql`entry.created_at, entry.id`)
    .prepare('read_fresh_transactions'),
)
