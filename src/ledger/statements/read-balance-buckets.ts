import { sql } from 'drizzle-orm'
import { type Amount, readAmount } from '../../db/amount.ts'
import { preparedOnce } from '../../db/prepared.ts'

/** What the entries of one bucket did. */
export interface MovedBucket {
  entryCount: number
  credited: Amount
  debited: Amount
  lowest: Amount
  highest: Amount
}

/**
 * The buckets of a row's `moved`. They come as one text a request, since ten times as many rows and columns cost more to take
 * apart than the sums; a thousand take 5 ms to read.
 */
export function parseMovedBuckets(moved: string | null): Map<number, MovedBucket> {
  const rows = JSON.parse(moved ?? '[]') as [number, number, string, string, string, string][]
  return new Map(
    rows.map(([bucket, entryCount, credited, debited, lowest, highest]) => [
      bucket,
      {
        entryCount,
        credited: readAmount(credited),
        debited: readAmount(debited),
        lowest: readAmount(lowest),
        highest: readAmount(highest),
      },
    ]),
  )
}

/**
 * What happened in each bucket of each request: `windows` are arrays of rising bounds, as text; request `ids[i]` asks about
 * the window number `places[i]`, from 1. Bucket n holds the entries from bound n up to bound n + 1, that one excluded.
 *
 * One row for each request, in order. `moved`: its buckets with entries, and under number 0 the entries between the last
 * checkpoint before the window (entry `low`, balance `base`), where the scan begins, and the window; it ends with the first
 * checkpoint after (entry `high`; the last entry, where there is none). `final`: an entry at or after the window's last microsecond is there already.
 */
export const readBalanceBuckets = preparedOnce((database) =>
  database
    .select({
      final: sql<boolean>`coalesce(last.created_at >= bounds.until - interval '1 microsecond', false)`.as('final'),
      low: sql`coalesce(checkpoint.sequence, 0)`.mapWith(Number).as('low'),
      high: sql`coalesce(bound.sequence, last.sequence, 0)`.mapWith(Number).as('high'),
      /** The balance at the checkpoint before the window. */
      base: sql`coalesce(checkpoint.balance, 0)`.mapWith(readAmount).as('base'),
      moved: sql<string | null>`moved.buckets`.as('moved'),
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[], ${sql.placeholder('places')}::int[])
        with ordinality as request (id, place, position)
      join (
        select position, bounds, bounds[1] as since, bounds[cardinality(bounds)] as until
        from (
          select position, bounds::timestamptz[] from unnest(${sql.placeholder('windows')}::text[]) with ordinality as given (bounds, position)
          offset 0
        ) read
      ) bounds on bounds.position = request.place
      left join lateral (
        select sequence, balance from private.balance_checkpoints
        where account_id = request.id and through < bounds.since order by through desc limit 1
      ) checkpoint on true
      left join lateral (
        select sequence from private.balance_checkpoints
        where account_id = request.id and through >= bounds.until order by through limit 1
      ) bound on true
      left join lateral (
        select created_at, sequence from private.entries where account_id = request.id order by sequence desc limit 1
      ) last on true
      left join lateral (
        select json_agg(json_build_array(bucket, entry_count, credited::text, debited::text, lowest::text, highest::text))::text as buckets
        from (select bucket, count(*) as entry_count, min(balance) as lowest, max(balance) as highest,
          sum(greatest(change, 0)) as credited, sum(greatest(-change, 0)) as debited
        from (
          select width_bucket(created_at, bounds.bounds) as bucket, change,
            coalesce(checkpoint.balance, 0) + sum(change) over (order by sequence rows unbounded preceding) as balance
          from private.entries
          where account_id = request.id and sequence > coalesce(checkpoint.sequence, 0)
            and sequence < coalesce(bound.sequence, 9223372036854775807) and created_at < bounds.until
        ) running
        group by bucket) grouped
      ) moved on true`,
    )
    .orderBy(sql`request.position`)
    .prepare('read_balance_buckets'),
)
