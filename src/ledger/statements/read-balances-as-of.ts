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
      balance: sql`coalesce(checkpoint.balance, 0) + credits.total - debits.total`.mapWith(readAmount).as('balance'),
      sequence: sql`coalesce(checkpoint.sequence, 0) + credits.length + debits.length`.mapWith(Number).as('sequence'),
      final:
        sql<boolean>`coalesce(greatest(last_credit.created_at, last_debit.created_at) >= request.moment, false)`.as(
          'final',
        ),
      low: sql`coalesce(checkpoint.sequence, 0)`.mapWith(Number).as('low'),
      high: sql`coalesce(bound.sequence, greatest(last_credit.sequence, last_debit.sequence), 0)`
        .mapWith(Number)
        .as('high'),
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[], ${sql.placeholder('moments')}::timestamptz[])
        with ordinality as request (id, moment, position)
      left join lateral (
        select sequence, balance from private.balance_checkpoints
        where user_id = request.id and through <= request.moment order by through desc limit 1
      ) checkpoint on true
      left join lateral (
        select sequence from private.balance_checkpoints
        where user_id = request.id and through > request.moment order by through limit 1
      ) bound on true
      cross join lateral (
        select coalesce(sum(amount), 0) as total, count(*) as length from public.transactions
        where destination_user_id = request.id and destination_sequence > coalesce(checkpoint.sequence, 0)
          and destination_sequence < coalesce(bound.sequence, 9223372036854775807) and created_at <= request.moment
      ) credits
      cross join lateral (
        select coalesce(sum(amount), 0) as total, count(*) as length from public.transactions
        where source_user_id = request.id and source_sequence > coalesce(checkpoint.sequence, 0)
          and source_sequence < coalesce(bound.sequence, 9223372036854775807) and created_at <= request.moment
      ) debits
      left join lateral (
        select created_at, destination_sequence as sequence from public.transactions
        where destination_user_id = request.id order by destination_sequence desc limit 1
      ) last_credit on true
      left join lateral (
        select created_at, source_sequence as sequence from public.transactions
        where source_user_id = request.id order by source_sequence desc limit 1
      ) last_debit on true`,
    )
    .orderBy(sql`request.position`)
    .prepare('read_balances_as_of'),
)
