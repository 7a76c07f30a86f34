import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { balanceCheckpoints } from '../../db/tables.ts'

/**
 * Writes checkpoints of one account at every `interval`th entry after `low` up to `high`, summed from the checkpoint at
 * `low` (0: from the beginning). Existing checkpoints stay. If the one at `low` is gone by now, nothing is written: the
 * next run finds a longer gap.
 */
export const insertMissingCheckpoints = preparedOnce((database) =>
  database
    .insert(balanceCheckpoints)
    .select(
      sql`select request.account_id, counted.sequence, counted.balance::bigint, counted.created_at, counted.transaction_id
      from (select ${sql.placeholder('accountId')}::uuid as account_id, ${sql.placeholder('low')}::bigint as low,
        ${sql.placeholder('high')}::bigint as high) request
      cross join lateral (
        select sequence, created_at, transaction_id, base.balance + sum(change) over (order by sequence) as balance
        from (
          select 0::bigint as balance where request.low = 0
          union all
          select balance from private.balance_checkpoints where account_id = request.account_id and sequence = request.low and request.low > 0
        ) base
        cross join (
          select sequence, change, created_at, transaction_id from private.entries
          where account_id = request.account_id and sequence > request.low and sequence <= request.high
        ) entry
      ) counted
      where counted.sequence % ${sql.placeholder('interval')}::bigint = 0 or counted.sequence = request.high`,
    )
    .onConflictDoNothing()
    .prepare('insert_missing_checkpoints'),
)
