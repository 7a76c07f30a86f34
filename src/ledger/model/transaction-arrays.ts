import { sql } from 'drizzle-orm'

/** The columns of the table, in order, as one array each. So any number of rows is one statement with one plan. */
export const transactionArrays = sql`
  ${sql.placeholder('ids')}::uuid[], ${sql.placeholder('keys')}::uuid[],
  ${sql.placeholder('sourceIds')}::uuid[], ${sql.placeholder('sourceSequences')}::bigint[],
  ${sql.placeholder('destinationIds')}::uuid[], ${sql.placeholder('destinationSequences')}::bigint[],
  ${sql.placeholder('amounts')}::bigint[], ${sql.placeholder('createdAts')}::timestamptz[]`
