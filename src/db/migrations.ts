import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { Database } from './pool.ts'

/** The folder of the migrations, in the sources and in the build alike. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../drizzle', import.meta.url))

let newest: number | undefined

/** When the newest migration that this server knows was made, which is what drizzle knows a migration by. */
function newestMigration(): number {
  newest ??= Math.max(...readMigrationFiles({ migrationsFolder: MIGRATIONS_FOLDER }).map((each) => each.folderMillis))
  return newest
}

/** Whether the database has every migration that this server knows; it may have newer ones. */
export async function isMigrated(database: Database): Promise<boolean> {
  const { rows } = await database.execute<{ last: string | null }>(
    sql`select max(created_at) as last from drizzle.__drizzle_migrations`,
  )
  return Number(rows[0]?.last ?? 0) >= newestMigration()
}
