import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { balanceCheckpoints } from '../../db/tables.ts'

/** Checkpoints as one array for each column; one that is there already stays. */
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
