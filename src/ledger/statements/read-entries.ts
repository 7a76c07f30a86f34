import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'
import { entryColumns } from '../model/transaction.ts'

/**
 * Entries `low` … `high` of each requested account, newest first, with their running balances: the balance before the
 * lowest (checkpoint and sum) plus a window sum. `request` is the request's number, from 1.
 */
export const readEntries = preparedOnce((database) =>
  database
    .select({
      request: sql`request.position`.mapWith(Number).as('request'),
      /** The checkpoint before the range; 0: from the beginning. */
      checkpointSequence: sql`coalesce(checkpoint.sequence, 0)`.mapWith(Number).as('checkpoint_sequence'),
      sequence: sql`entry.sequence`.mapWith(Number).as('sequence'),
      change: sql`entry.change`.mapWith(readAmount).as('change'),
      balanceAfter: sql`(coalesce(checkpoint.balance, 0) + before.total
        + sum(entry.change) over (partition by request.position order by entry.sequence))::bigint`
        .mapWith(readAmount)
        .as('balance_after'),
      id: sql<TransactionId>`entry.transaction_id`.as('id'),
      ...entryColumns,
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[], ${sql.placeholder('lows')}::bigint[], ${sql.placeholder('highs')}::bigint[])
        with ordinality as request (id, low, high, position)
      left join lateral (
        select sequence, balance from private.balance_checkpoints
        where account_id = request.id and sequence < request.low order by sequence desc limit 1
      ) checkpoint on true
      cross join lateral (
        select coalesce(sum(change), 0) as total from private.entries
        where account_id = request.id and sequence > coalesce(checkpoint.sequence, 0) and sequence < request.low
      ) before
      join private.entries entry on entry.account_id = request.id and entry.sequence between request.low and request.high`,
    )
    .orderBy(sql`request.position, entry.sequence desc`)
    .prepare('read_entries'),
)
