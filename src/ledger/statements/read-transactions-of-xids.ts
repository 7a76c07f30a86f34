import { sql } from 'drizzle-orm'
import type { TransactionId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'
import { entryColumns } from '../model/transaction.ts'

/**
 * The first `limit` ledger transactions after a place, by time and then by id, of some database transactions, each of which
 * may have millions. The index on `recorded_xid` has the rows of each in that order, so of each only the first are read:
 * those that follow the place in the index, whose they are. Asked for one database transaction alone, PostgreSQL expects
 * few rows, and would sort all of them.
 */
export const readTransactionsOfXids = preparedOnce((database) =>
  database
    .select({ id: sql<TransactionId>`entry.id`.as('id'), ...entryColumns })
    .from(
      sql`unnest(${sql.placeholder('xids')}::xid8[]) as recorded (xid)
      cross join lateral (
        select * from (
          select * from public.transactions
          where (recorded_xid, created_at, id)
            > (recorded.xid, ${sql.placeholder('createdAt')}::timestamptz, ${sql.placeholder('id')}::uuid)
          order by recorded_xid, created_at, id limit ${sql.placeholder('limit')}
        ) following
        where following.recorded_xid = recorded.xid
      ) entry`,
    )
    .orderBy(sql`entry.created_at, entry.id`)
    .limit(sql.placeholder('limit'))
    .prepare('read_transactions_of_xids'),
)
