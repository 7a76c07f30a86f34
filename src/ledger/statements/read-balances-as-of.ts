import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * The balance of each account at its own moment, entries at that very moment included, and how many entries it counts.
 * `final`: the account already has an entry at or after the moment, so whatever is in flight gets a later time.
 *
 * The checkpoint after the moment bounds the scan, so it costs as much as one gap between two checkpoints: from entry `low`
 * (0: from the beginning) to entry `high` (the last entry, if there is no checkpoint after).
 */
export const readBalancesAsOf = preparedOnce((database) =>
  database
    .select({
      balance: sql`coalesce(checkpoint.balance, 0) + moved.total`.mapWith(readAmount).as('balance'),
      sequence: sql`coalesce(checkpoint.sequence, 0) + moved.length`.mapWith(Number).as('sequence'),
      final: sql<boolean>`coalesce(last.created_at >= request.moment, false)`.as('final'),
      low: sql`coalesce(checkpoint.sequence, 0)`.mapWith(Number).as('low'),
      high: sql`coalesce(bound.sequence, last.sequence, 0)`.mapWith(Number).as('high'),
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[], ${sql.placeholder('moments')}::timestamptz[])
        with ordinality as request (id, moment, position)
      left join lateral (
        select sequence, balance from private.balance_checkpoints
        where account_id = request.id and through <= request.moment order by through desc limit 1
      ) checkpoint on true
      left join lateral (
        select sequence from private.balance_checkpoints
        where account_id = request.id and through > request.moment order by through limit 1
      ) bound on true
      cross join lateral (
        select coalesce(sum(change), 0) as total, count(*) as length from private.entries
        where account_id = request.id and sequence > coalesce(checkpoint.sequence, 0)
          and sequence < coalesce(bound.sequence, 9223372036854775807) and created_at <= request.moment
      ) moved
      left join lateral (
        select created_at, sequence from private.entries where account_id = request.id order by sequence desc limit 1
      ) last on true`,
    )
    .orderBy(sql`request.position`)
    .prepare('read_balances_as_of'),
)
