import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'
import { filterColumns, filterNames, matchingEntries } from '../model/entry-filter.ts'
import { entryColumns } from '../model/transaction.ts'

/**
 * Of entries `low` … `high` of each requested account those that match, at most `size` of them, from the top or (`ascending`)
 * from the bottom, each with the running balance at its own number. `request` is the request's number, from 1; a
 * request without a match has one row without an entry. `other`: something matches in `otherLow` … `otherHigh`.
 */
export const readMatchingEntries = preparedOnce((database) =>
  database
    .select({
      request: sql`request.position`.mapWith(Number).as('request'),
      other: sql<boolean>`exists (${matchingEntries(sql`request.other_low`, sql`request.other_high`)})`.as('other'),
      /** The checkpoint before the entry; 0: from the beginning. */
      checkpointSequence: sql`coalesce(checkpoint.sequence, 0)`.mapWith(Number).as('checkpoint_sequence'),
      sequence: sql<number | null>`entry.sequence`.mapWith(Number).as('sequence'),
      change: sql`entry.change`.mapWith(readAmount).as('change'),
      balanceAfter: sql`coalesce(checkpoint.balance, 0) + tail.total`.mapWith(readAmount).as('balance_after'),
      id: sql<TransactionId>`entry.id`.as('id'),
      ...entryColumns,
    })
    .from(
      sql`unnest(${filterColumns}, ${sql.placeholder('lows')}::bigint[], ${sql.placeholder('highs')}::bigint[],
        ${sql.placeholder('sizes')}::int[], ${sql.placeholder('ascending')}::boolean[],
        ${sql.placeholder('otherLows')}::bigint[], ${sql.placeholder('otherHighs')}::bigint[])
        with ordinality as request (${filterNames}, low, high, size, ascending, other_low, other_high, position)
      left join lateral (
        (select * from (${matchingEntries(sql`request.low`, sql`request.high`, 'desc')}) entry
          where not request.ascending order by sequence desc limit request.size)
        union all
        (select * from (${matchingEntries(sql`request.low`, sql`request.high`, 'asc')}) entry
          where request.ascending order by sequence limit request.size)
      ) entry on true
      left join lateral (
        select sequence, balance from private.balance_checkpoints
        where account_id = request.id and through <= entry.created_at order by through desc limit 1
      ) checkpoint on true
      cross join lateral (
        select coalesce(sum(change), 0) as total from private.entries
        where account_id = request.id and sequence > coalesce(checkpoint.sequence, 0) and sequence <= entry.sequence
      ) tail`,
    )
    .orderBy(sql`request.position, entry.sequence desc`)
    .prepare('read_matching_entries'),
)
