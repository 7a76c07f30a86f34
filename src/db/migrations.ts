import { fileURLToPath } from 'node:url'
import { is, sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import * as accessTables from './access-tables.ts'
import type { Database } from './pool.ts'
import * as ledgerTables from './tables.ts'

/** The folder of the migrations, in the sources and in the build alike. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../drizzle', import.meta.url))

let newest: number | undefined

/** When the newest migration that this server knows was made, which is what drizzle knows a migration by. */
function newestMigration(): number {
  newest ??= Math.max(...readMigrationFiles({ migrationsFolder: MIGRATIONS_FOLDER }).map((each) => each.folderMillis))
  return newest
}

/**
 * Whether this server can run on the database's schema: it has every migration that this server knows. It may have newer
 * ones, if they left the tables and columns of this server in place.
 */
export async function isMigrated(database: Database): Promise<boolean> {
  const { rows } = await database.execute<{ last: string | null }>(
    sql`select max(created_at) as last from drizzle.__drizzle_migrations`,
  )
  return Number(rows[0]?.last ?? 0) >= newestMigration() && (await hasColumns(database))
}

const COLUMNS = JSON.stringify(
  Object.values({ ...ledgerTables, ...accessTables })
    .filter((each) => is(each, PgTable))
    .map(getTableConfig)
    .flatMap(({ schema = 'public', name, columns }) =>
      columns.map((column) => ({ schema, name, column: column.name })),
    ),
)

/** Whether the database has every table and column that this server knows. */
export async function hasColumns(database: Database): Promise<boolean> {
  const { rows } = await database.execute(sql`
    select from jsonb_to_recordset(${COLUMNS}::jsonb) as known(schema text, name text, "column" text)
    where not exists (
      select from pg_attribute
      join pg_class on pg_class.oid = attrelid
      join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = known.schema and relname = known.name and attname = known."column" and not attisdropped
    ) limit 1`)
  return rows.length === 0
}
