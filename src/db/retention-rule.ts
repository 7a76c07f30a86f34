import { type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'

/** What is deleted, and when. */
export interface RetentionRule {
  /** Plural, for counts: `sessions`. */
  name: string
  table: PgTable
  /** The primary key, one column. */
  key: PgColumn
  /** A column or expression with an index: when the row ended; null while it has not. */
  endedAt: SQL | PgColumn
  /** Rows that ended before this are deleted. It must be stable, like `now()`, or the index cannot be used. */
  deletedBefore: SQL
}

/** For `deletedBefore`, where times are of the type timestamptz. */
export const daysAgo = (days: number): SQL => sql`now() - make_interval(days => ${days}::int)`
