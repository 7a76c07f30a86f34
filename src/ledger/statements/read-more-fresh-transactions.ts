import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { transactions } from '../../db/tables.ts'
import { isFresh } from '../model/fresh-transactions.ts'
import { transactionColumns } from '../model/transaction.ts'

/** The same as `readFreshTransactions`, from a place on in the list: the next page of it. */
export const readMoreFreshTransactions = preparedOnce((database) =>
  database
    .select(transactionColumns)
    .from(transactions)
    .where(
      sql`(created_at, id) > (${sql.placeholder('createdAt')}::timestamptz, ${sql.placeholder('id')}::uuid)
        and ${isFresh(sql`${sql.placeholder('snapshot')}::pg_snapshot`)}`,
    )
    .orderBy(transactions.createdAt, transactions.id)
    .limit(sql.placeholder('limit'))
    .prepare('read_more_fresh_transactions'),
)
