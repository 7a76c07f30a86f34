import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * Of the database transactions that `snapshot` sees, that come before `end`, and that either are in the range from `xmax` on
 * or were in flight: those that must wait, because an account's entry in them follows one of a transaction at or after
 * `end`, or one of another that must wait.
 *
 * Accounts are numbered without gaps, so the entry before is found by its number. A range of more than `rowsMax` rows is
 * not looked through (see `intermediate-snapshot.ts`).
 */
export const readDependentXids = preparedOnce((database) =>
  database
    .select({ xid: sql<string>`dependent.xid::text`.as('xid') })
    .from(
      sql`(
        with recursive candidate as materialized (
          select recorded_xid, source_user_id, source_sequence, destination_user_id, destination_sequence
          from public.transactions
          where recorded_xid >= ${sql.placeholder('xmax')}::xid8 and recorded_xid < ${sql.placeholder('end')}::xid8
            and pg_visible_in_snapshot(recorded_xid, ${sql.placeholder('snapshot')}::pg_snapshot)
            and not exists (
              select from public.transactions
              where recorded_xid >= ${sql.placeholder('xmax')}::xid8 and recorded_xid < ${sql.placeholder('end')}::xid8
              offset ${sql.placeholder('rowsMax')}
            )
          union all
          (select recorded_xid, source_user_id, source_sequence, destination_user_id, destination_sequence
          from public.transactions
          where recorded_xid = any(${sql.placeholder('inFlight')}::xid8[])
            and pg_visible_in_snapshot(recorded_xid, ${sql.placeholder('snapshot')}::pg_snapshot)
          limit ${sql.placeholder('rowsMax')})
        ),
        need as materialized (
          select distinct candidate.recorded_xid as xid, before.recorded_xid as needed
          from candidate
          cross join lateral (
            select recorded_xid from public.transactions
            where source_user_id = candidate.source_user_id and source_sequence = candidate.source_sequence - 1
            union all
            select recorded_xid from public.transactions
            where destination_user_id = candidate.source_user_id and destination_sequence = candidate.source_sequence - 1
            union all
            select recorded_xid from public.transactions
            where source_user_id = candidate.destination_user_id and source_sequence = candidate.destination_sequence - 1
            union all
            select recorded_xid from public.transactions
            where destination_user_id = candidate.destination_user_id
              and destination_sequence = candidate.destination_sequence - 1
          ) before
          where before.recorded_xid <> candidate.recorded_xid
        ),
        dependent(xid) as (
          select xid from need where needed >= ${sql.placeholder('end')}::xid8
          union
          select need.xid from need join dependent on need.needed = dependent.xid
        )
        select xid from dependent
      ) dependent`,
    )
    .orderBy(sql`dependent.xid`)
    .prepare('read_dependent_xids'),
)
