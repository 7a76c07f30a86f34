import { sql } from 'drizzle-orm'
import type { Database } from '../../db/pool.ts'
import { preparedOnce } from '../../db/prepared.ts'
import { transactions } from '../../db/tables.ts'
import type { LedgerTransaction } from '../model/transaction.ts'
import { transactionArrays } from '../model/transaction-arrays.ts'
import { insertAnnotatedTransactions } from './insert-annotated-transactions.ts'

/** Without links and words: most transactions have none, and arrays of nulls cost too. */
const plain = preparedOnce((database) =>
  database
    .insert(transactions)
    .select(sql`select *, pg_current_xact_id(), null::uuid, null::text, null::jsonb from unnest(${transactionArrays})`)
    .onConflictDoNothing({ target: transactions.idempotencyKey })
    .prepare('insert_transactions'),
)

/**
 * Inserts all rows in one statement, sorted by idempotency key, so that two processes insert shared keys in one order.
 *
 * @returns how many rows were inserted. Fewer than given means that another process has used one of the keys.
 */
export async function insertTransactions(database: Database, rows: readonly LedgerTransaction[]): Promise<number> {
  const sorted = rows.toSorted((a, b) => (a.idempotencyKey < b.idempotencyKey ? -1 : 1))
  const values = {
    ids: sorted.map((row) => row.id),
    keys: sorted.map((row) => row.idempotencyKey),
    sourceIds: sorted.map((row) => row.sourceAccountId),
    sourceSequences: sorted.map((row) => row.sourceSequence),
    destinationIds: sorted.map((row) => row.destinationAccountId),
    destinationSequences: sorted.map((row) => row.destinationSequence),
    amounts: sorted.map((row) => row.amount.toString()),
    createdAts: sorted.map((row) => row.createdAt),
  }
  const isPlain = sorted.every((row) => row.reversesId === null && row.description === null && row.metadata === null)
  const { rowCount } = isPlain
    ? await plain(database).execute(values)
    : await insertAnnotatedTransactions(database).execute({
        ...values,
        reversesIds: sorted.map((row) => row.reversesId),
        descriptions: sorted.map((row) => row.description),
        metadata: sorted.map((row) => row.metadata && JSON.stringify(row.metadata)),
      })
  return rowCount ?? 0
}
