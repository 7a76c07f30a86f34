import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { transactions } from '../../db/tables.ts'
import type { LedgerTransaction } from '../model/transaction.ts'

/** The columns of the table, in order, as one array each. So any number of rows is one statement with one plan. */
const statement = preparedOnce((database) =>
  database
    .insert(transactions)
    .select(
      sql`select *, pg_current_xact_id() from unnest(
        ${sql.placeholder('ids')}::uuid[], ${sql.placeholder('keys')}::uuid[],
        ${sql.placeholder('sourceIds')}::uuid[], ${sql.placeholder('sourceSequences')}::bigint[],
        ${sql.placeholder('destinationIds')}::uuid[], ${sql.placeholder('destinationSequences')}::bigint[],
        ${sql.placeholder('amounts')}::bigint[], ${sql.placeholder('createdAts')}::timestamptz[])`,
    )
    .onConflictDoNothing({ target: transactions.idempotencyKey })
    .prepare('insert_transactions'),
)

/**
 * Inserts all rows in one statement, sorted by idempotency key, so that two processes insert shared keys in one order.
 *
 * @returns how many rows were inserted. Fewer than given means that another process has used one of the keys.
 */
export async function insertTransactions(
  database: Parameters<typeof statement>[0],
  rows: readonly LedgerTransaction[],
): Promise<number> {
  const sorted = rows.toSorted((a, b) => (a.idempotencyKey < b.idempotencyKey ? -1 : 1))
  const { rowCount } = await statement(database).execute({
    ids: sorted.map((row) => row.id),
    keys: sorted.map((row) => row.idempotencyKey),
    sourceIds: sorted.map((row) => row.sourceAccountId),
    sourceSequences: sorted.map((row) => row.sourceSequence),
    destinationIds: sorted.map((row) => row.destinationAccountId),
    destinationSequences: sorted.map((row) => row.destinationSequence),
    amounts: sorted.map((row) => row.amount.toString()),
    createdAts: sorted.map((row) => row.createdAt),
  })
  return rowCount ?? 0
}
