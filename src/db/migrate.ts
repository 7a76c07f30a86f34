import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'

const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../drizzle', import.meta.url))

/** Any constant will do, so long as nothing else in the database uses it: "thesaur" in ASCII. */
const MIGRATION_LOCK = 0x74_68_65_73_61_75n

/** The oldest server with everything the migrations and statements use. */
const SERVER_VERSION_MIN = 150_000

export class UnsuitableDatabaseError extends Error {
  override name = 'UnsuitableDatabaseError'
}

/**
 * Brings the database to the newest migration. Drizzle takes no lock of its own, so a session advisory lock is held
 * around it: however many servers start at once, one migrates and the others find nothing to do.
 *
 * @param url a direct connection, not one through a pooler: the lock belongs to a session.
 * @throws {UnsuitableDatabaseError} saying what the server lacks.
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'thesaurum migrate',
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await checkServer(client)
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK.toString()])
    await migrate(drizzle(client), { migrationsFolder: MIGRATIONS_FOLDER })
  } finally {
    await client.end()
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as version_name,
            current_setting('synchronous_commit') as synchronous_commit, current_setting('server_encoding') as encoding`,
  )
  const { version, version_name, synchronous_commit, encoding } = rows[0]
  if (version < SERVER_VERSION_MIN) {
    throw new UnsuitableDatabaseError(`PostgreSQL ${version_name} is too old: Thesaurum needs 15 or newer.`)
  }
  if (synchronous_commit === 'off') {
    throw new UnsuitableDatabaseError(
      'synchronous_commit is off for this role or database: an acknowledged transaction could be lost. Set it to on.',
    )
  }
  if (encoding !== 'UTF8') {
    throw new UnsuitableDatabaseError(`The database's encoding is ${encoding}: Thesaurum needs UTF8.`)
  }
}
