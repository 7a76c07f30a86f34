import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { failedTransactions } from '../../db/tables.ts'

/** Writes rows, given as one array for each column. `agesMs` is how long ago each failed: only PostgreSQL's clock is stored. */
export const insertFailedTransactions = preparedOnce((database) =>
  database
    .insert(failedTransactions)
    .select(
      sql`select id, key, source, destination, amount, code, message, attempts, clock_timestamp() - age_ms * interval '1 millisecond', null
      from unnest(
        ${sql.placeholder('ids')}::uuid[], ${sql.placeholder('keys')}::uuid[], ${sql.placeholder('sourceIds')}::uuid[],
        ${sql.placeholder('destinationIds')}::uuid[], ${sql.placeholder('amounts')}::bigint[], ${sql.placeholder('codes')}::text[],
        ${sql.placeholder('messages')}::text[], ${sql.placeholder('attempts')}::int[], ${sql.placeholder('agesMs')}::float8[]
      ) as failed (id, key, source, destination, amount, code, message, attempts, age_ms)`,
    )
    .onConflictDoNothing({ target: failedTransactions.id })
    .prepare('insert_failed_transactions'),
)
