import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * The first `limit` database transactions from `xmax` on, below `end`, that have rows in the ledger. PostgreSQL has no scan
 * that skips equal keys, so each is one look into the index: it costs the same however many rows they have.
 */
export const readRecordedXids = preparedOnce((database) =>
  database
    .select({ xid: sql<string>`recorded.xid::text`.as('xid') })
    .from(
      sql`(
        with recursive recorded(xid) as (
          (select recorded_xid from public.transactions
            where recorded_xid >= ${sql.placeholder('xmax')}::xid8 and recorded_xid < ${sql.placeholder('end')}::xid8
            order by recorded_xid limit 1)
          union all
          select (select recorded_xid from public.transactions
            where recorded_xid > recorded.xid and recorded_xid < ${sql.placeholder('end')}::xid8
            order by recorded_xid limit 1)
          from recorded where recorded.xid is not null
        )
        select xid from recorded where xid is not null limit ${sql.placeholder('limit')}
      ) recorded`,
    )
    .prepare('read_recorded_xids'),
)
