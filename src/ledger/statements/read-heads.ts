import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import { type Instant, selectInstant } from '../../db/instant.ts'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * The head of each account: its last checkpoint, and the sum, count, last number and last time of the entries after it.
 * There is no filter by time: every entry counts.
 *
 * `clock` is PostgreSQL's, in microseconds. A poster sends this once it holds the locks, so the clock that it reads is
 * later than every clock that was read under the same locks before.
 */
export const readHeads = preparedOnce((database) =>
  database
    .select({
      accountId: sql<AccountId>`account.id`.as('account_id'),
      balance: sql`coalesce(checkpoint.balance, 0) + tail.total`.mapWith(readAmount).as('balance'),
      checkpointSequence: sql`coalesce(checkpoint.sequence, 0)`.mapWith(Number).as('checkpoint_sequence'),
      tailLength: sql`tail.length`.mapWith(Number).as('tail_length'),
      lastSequence: sql`coalesce(tail.last, checkpoint.sequence, 0)`.mapWith(Number).as('last_sequence'),
      createdAt: sql<Instant | null>`${selectInstant(sql`coalesce(tail.last_at, checkpoint.through)`)}`.as(
        'created_at',
      ),
      clock: sql`(extract(epoch from clock_timestamp()) * 1000000)::bigint`.mapWith(Number).as('clock'),
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[]) as account (id)
      left join lateral (
        select sequence, balance, through from private.balance_checkpoints
        where account_id = account.id order by through desc limit 1
      ) checkpoint on true
      cross join lateral (
        select coalesce(sum(change), 0) as total, count(*) as length, max(sequence) as last, max(created_at) as last_at
        from private.entries
        where account_id = account.id and sequence > coalesce(checkpoint.sequence, 0)
      ) tail`,
    )
    .prepare('read_heads'),
)
