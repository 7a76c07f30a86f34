import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { balanceCheckpoints } from '../../db/tables.ts'

/** Writes checkpoints, given as one array for each column. Existing ones stay. */
export const insertCheckpoints = preparedOnce((database) =>
  database
    .insert(balanceCheckpoints)
    .select(
      sql`select * from unnest(
        ${sql.placeholder('accountIds')}::uuid[], ${sql.placeholder('sequences')}::bigint[],
        ${sql.placeholder('balances')}::bigint[], ${sql.placeholder('throughs')}::timestamptz[],
        ${sql.placeholder('transactionIds')}::uuid[])`,
    )
    .onConflictDoNothing()
    .prepare('insert_checkpoints'),
)
