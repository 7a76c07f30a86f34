import { sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * Gaps of at least `length` entries without a checkpoint in between: (`low`, `high`], where `low` is a checkpoint
 * or 0 and `high` a checkpoint or the last entry.
 */
export const readCheckpointGaps = preparedOnce((database) =>
  database
    .select({
      accountId: sql<AccountId>`gap.account_id`.as('account_id'),
      low: sql`gap.low`.mapWith(Number).as('low'),
      high: sql`gap.high`.mapWith(Number).as('high'),
    })
    .from(
      sql`(
        select account_id, lag(sequence, 1, 0::bigint) over (partition by account_id order by sequence) as low, sequence as high
        from (
          select account_id, sequence from private.balance_checkpoints
          union
          select id, (select max(sequence) from private.entries where account_id = accounts.id) from public.accounts
        ) mark
        where sequence is not null
      ) gap`,
    )
    .where(sql`gap.high - gap.low >= ${sql.placeholder('length')}::bigint`)
    .orderBy(sql`gap.account_id, gap.low`)
    .prepare('read_checkpoint_gaps'),
)
