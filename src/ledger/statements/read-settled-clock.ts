import { sql } from 'drizzle-orm'
import { type Instant, selectInstant } from '../../db/instant.ts'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * `now`, and the moment before which no entry can appear any more (null: unknown, since a backend hides its start).
 *
 * Whoever may still commit an entry has a transaction id, and got it before reading the clock, so its entries are later
 * than its start. Whoever has none yet will read the clock after this statement began. Hence `statement_timestamp()` and
 * not `clock_timestamp()`, which is read after the list of backends.
 */
export const readSettledClock = preparedOnce((database) =>
  database
    .select({
      now: sql<Instant>`${selectInstant(sql`statement_timestamp()`)}`.as('now'),
      settledBefore: sql<Instant | null>`${selectInstant(
        sql`nullif(least(statement_timestamp(), min(coalesce(xact_start, '-infinity'))), '-infinity')`,
      )}`.as('settled_before'),
    })
    .from(sql`pg_stat_activity`)
    .where(
      sql`backend_xid is not null and pid <> pg_backend_pid()
        and datid = (select oid from pg_database where datname = current_database())`,
    )
    .prepare('read_settled_clock'),
)
