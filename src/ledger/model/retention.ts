import { sql } from 'drizzle-orm'
import { daysAgo, type RetentionRule } from '../../db/retention-rule.ts'
import { failedTransactions } from '../../db/tables.ts'

export interface LedgerRetention {
  /** How long a failed attempt is kept. */
  failedTransactionDays: number
}

/** What the ledger deletes, and when. Transactions are kept for ever. */
export const ledgerRetentionRules = ({ failedTransactionDays }: LedgerRetention): RetentionRule[] => [
  {
    name: 'failed_transactions',
    table: failedTransactions,
    key: failedTransactions.id,
    // A version 7 UUID begins with the milliseconds since 1970, so its primary key is an index by time as well.
    endedAt: failedTransactions.id,
    deletedBefore: sql`(
      lpad(to_hex((extract(epoch from ${daysAgo(failedTransactionDays)}) * 1000)::bigint), 12, '0') || '70008000000000000000'
    )::uuid`,
  },
]
