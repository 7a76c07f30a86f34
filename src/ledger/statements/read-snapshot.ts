import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import type { Snapshot } from '../snapshot.ts'

/** What is committed right now. */
export const readSnapshotNow = preparedOnce((database) =>
  database
    .select({ snapshot: sql<Snapshot>`pg_current_snapshot()::text`.as('snapshot') })
    .from(sql`(select) nothing`)
    .prepare('read_snapshot'),
)
