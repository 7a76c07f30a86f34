import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { entryColumns } from '../transaction.ts'

/**
 * The first `limit` ledger transactions after a place, by time and then by id, of some database transactions, each of which
 * may have millions. The index on `recorded_xid` has the rows of each in that order, so of each only the first are read.
 */
export const readTransactionsOfXids = preparedOnce((database) =>
  database
    .select({ id: sql<string>`entry.id`.as('id'), ...entryColumns })
    .from(
      sql`unnest(${sql.placeholder('xids')}::xid8[]) as recorded (xid)
      cross join lateral (
        select * from public.transactions
        where recorded_xid = recorded.xid
          and (created_at, id) > (${sql.placeholder('createdAt')}::timestamptz, ${sql.placeholder('id')}::uuid)
        order by created_at, id limit ${sql.placeholder('limit')}
      ) entry`,
    )
    .orderBy(sql`entry.created_at, entry.id`)
    .limit(sql.placeholder('limit'))
    .prepare('read_transactions_of_xids'),
)
