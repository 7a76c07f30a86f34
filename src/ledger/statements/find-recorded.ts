import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { transactions } from '../../db/tables.ts'
import { transactionColumns } from '../model/transaction.ts'

/** The transactions that hold any of these idempotency keys. */
export const findRecorded = preparedOnce((database) =>
  database
    .select(transactionColumns)
    .from(transactions)
    .where(sql`${transactions.idempotencyKey} = any(${sql.placeholder('keys')}::uuid[])`)
    .prepare('find_recorded'),
)
