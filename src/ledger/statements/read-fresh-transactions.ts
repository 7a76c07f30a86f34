import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { isFresh } from '../fresh-transactions.ts'
import { headXid, type Snapshot } from '../snapshot.ts'
import { entryColumns } from '../transaction.ts'

/**
 * The first `limit` transactions that a snapshot sees and the one before did not, by time and then by id. The snapshot is
 * `snapshot` or, where that is null, that of this very statement, for which `head` makes it durable. One row at least.
 *
 * `offset 0` has the fresh ones found by the index on their database transaction, however few or many they are: sent
 * straight for the order, PostgreSQL may read the index on time from the beginning of the ledger.
 */
export const readFreshTransactions = preparedOnce((database) =>
  database
    .select({
      snapshot: sql<Snapshot>`now.snapshot::text`.as('snapshot'),
      head: sql<string | null>`now.head`.as('head'),
      id: sql<string | null>`entry.id`.as('id'),
      ...entryColumns,
    })
    .from(
      sql`(select coalesce(${sql.placeholder('snapshot')}::pg_snapshot, pg_current_snapshot()) as snapshot, ${headXid} as head) now
      left join lateral (
        select * from (select * from public.transactions where ${isFresh(sql`now.snapshot`)} offset 0) fresh
        order by created_at, id limit ${sql.placeholder('limit')}
      ) entry on true`,
    )
    .orderBy(sql`entry.created_at, entry.id`)
    .prepare('read_fresh_transactions'),
)
