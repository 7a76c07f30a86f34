import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * How much of each transaction was reversed so far, and how often. A poster sends this once it holds the locks of the accounts:
 * all reversals of a transaction lock the same ones.
 */
export const readReversed = preparedOnce((database) =>
  database
    .select({
      id: sql<TransactionId>`original.id`.as('id'),
      amount: sql`reversal.amount`.mapWith(readAmount).as('amount'),
      count: sql`reversal.count`.mapWith(Number).as('count'),
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[]) as original (id)
      cross join lateral (
        select coalesce(sum(amount), 0) as amount, count(*) as count
        from public.transactions where reverses_id = original.id
      ) reversal`,
    )
    .prepare('read_reversed'),
)
