import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { headXid, type Snapshot } from '../model/snapshot.ts'

/** What is committed right now. */
export const readSnapshotNow = preparedOnce((database) =>
  database
    .select({ snapshot: sql<Snapshot>`pg_current_snapshot()::text`.as('snapshot'), head: headXid.as('head') })
    .from(sql`(select) nothing`)
    .prepare('read_snapshot'),
)
