import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'

/** Whether the ledger has rows of database transactions that this PostgreSQL has not come to yet. No row: it is empty. */
export const readFeedOrder = preparedOnce((database) =>
  database
    .select({
      isAhead: sql<boolean>`recorded_xid >= pg_snapshot_xmax(pg_current_snapshot())`.as('is_ahead'),
    })
    .from(sql`public.transactions`)
    .orderBy(sql`recorded_xid desc`)
    .limit(1)
    .prepare('read_feed_order'),
)
