import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { transactions } from '../../db/tables.ts'
import { transactionArrays } from '../model/transaction-arrays.ts'

/** Inserts transactions of which some have a link, a description or metadata. */
export const insertAnnotatedTransactions = preparedOnce((database) =>
  database
    .insert(transactions)
    .select(
      sql`select id, key, source, source_sequence, destination, destination_sequence, amount, created_at,
        pg_current_xact_id(), reverses, description, metadata
      from unnest(${transactionArrays},
        ${sql.placeholder('reversesIds')}::uuid[], ${sql.placeholder('descriptions')}::text[], ${sql.placeholder('metadata')}::jsonb[]
      ) as posted (id, key, source, source_sequence, destination, destination_sequence, amount, created_at, reverses, description, metadata)`,
    )
    .onConflictDoNothing({ target: transactions.idempotencyKey })
    .prepare('insert_annotated_transactions'),
)
