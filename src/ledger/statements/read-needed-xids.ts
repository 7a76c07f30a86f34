import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * Of the database transactions that `snapshot` sees, that come before `end`, and that either are in the range from `xmax` on
 * or were in flight: which other ones they follow on directly, in some account.
 *
 * Accounts are numbered without gaps, so the entry before is found by its number. A range of more than `rowsMax` rows is
 * not looked through (see `step-page.ts`), nor is a database transaction that was in flight and has more.
 *
 * `limit 1` lets PostgreSQL expect few rows. Without statistics it would compile the statement, for a second.
 */
export const readNeededXids = preparedOnce((database) =>
  database
    .select({ xid: sql<string>`need.xid::text`.as('xid'), needed: sql<string>`need.needed::text`.as('needed') })
    .from(
      sql`(
        with candidate as materialized (
          select recorded_xid, source_account_id, source_sequence, destination_account_id, destination_sequence
          from public.transactions
          where recorded_xid >= ${sql.placeholder('xmax')}::xid8 and recorded_xid < ${sql.placeholder('end')}::xid8
            and pg_visible_in_snapshot(recorded_xid, ${sql.placeholder('snapshot')}::pg_snapshot)
            and ${sql.placeholder('end')}::xid8 <= coalesce((
              select recorded_xid from public.transactions where recorded_xid >= ${sql.placeholder('xmax')}::xid8
              order by recorded_xid offset ${sql.placeholder('rowsMax')} limit 1
            ), ${sql.placeholder('end')}::xid8)
          union all
          (select recorded_xid, source_account_id, source_sequence, destination_account_id, destination_sequence
          from public.transactions
          where recorded_xid = any(array(
              select xid from unnest(${sql.placeholder('inFlight')}::xid8[]) xid
              where not exists (select from public.transactions where recorded_xid = xid offset ${sql.placeholder('rowsMax')})
            ))
            and pg_visible_in_snapshot(recorded_xid, ${sql.placeholder('snapshot')}::pg_snapshot)
          limit ${sql.placeholder('rowsMax')} * cardinality(${sql.placeholder('inFlight')}::xid8[])::bigint)
        ),
        need as materialized (
          select distinct candidate.recorded_xid as xid, before.recorded_xid as needed
          from candidate
          cross join lateral (
            (select recorded_xid from public.transactions
            where source_account_id = candidate.source_account_id and source_sequence = candidate.source_sequence - 1 limit 1)
            union all
            (select recorded_xid from public.transactions
            where destination_account_id = candidate.source_account_id
              and destination_sequence = candidate.source_sequence - 1 limit 1)
            union all
            (select recorded_xid from public.transactions
            where source_account_id = candidate.destination_account_id
              and source_sequence = candidate.destination_sequence - 1 limit 1)
            union all
            (select recorded_xid from public.transactions
            where destination_account_id = candidate.destination_account_id
              and destination_sequence = candidate.destination_sequence - 1 limit 1)
          ) before
          where before.recorded_xid <> candidate.recorded_xid
        )
        select xid, needed from need
      ) need`,
    )
    .prepare('read_needed_xids'),
)
