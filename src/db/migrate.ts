import { setTimeout as sleep } from 'node:timers/promises'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { isUnknownCurrency, passLedgerCurrency, setLedgerCurrency, UNKNOWN_CURRENCY } from './ledger-currency.ts'
import { hasColumns, MIGRATIONS_FOLDER } from './migrations.ts'
import { databaseDetailOf, SQLSTATE, sqlstateOf } from './sqlstate.ts'
import { UnsuitableDatabaseError } from './unsuitable-database-error.ts'

/** Any constant will do, so long as nothing else in the database uses it: "thesaur" in ASCII. */
const MIGRATION_LOCK = 0x74_68_65_73_61_75n

/** The oldest server with everything the migrations and statements use. */
const SERVER_VERSION_MIN = 150_000

/** How long the migrations try to lock tables that servers or other sessions use. */
const LOCK_PATIENCE_MS = 60_000
const LOCK_FAILURES: ReadonlySet<string | undefined> = new Set([
  SQLSTATE.LOCK_NOT_AVAILABLE,
  SQLSTATE.DEADLOCK_DETECTED,
])
/** Between two tries, so that whoever waits for the tables gets them. */
const LOCK_PAUSE_MS = 1_000

/** A standby, or a role or database whose sessions may only read. */
export const READ_ONLY = 'The database is read-only: set DATABASE_URL to a primary, whose sessions may write.'

export interface MigrationOptions {
  /** The code of the ledger's currency, which may change until the first transaction. Undefined: the one that it has. */
  ledgerCurrency?: string | undefined
  /** How long to try to lock tables that are in use. */
  lockPatienceMs?: number
}

/**
 * Brings the database to the newest migration. One that is there already is only read: a role without the right to change the schema can
 * start a server. Drizzle takes no lock of its own, so a session advisory lock is held around it: however many servers start at once,
 * one migrates and the others find nothing to do.
 *
 * @param url a direct connection, not one through a pooler: the lock belongs to a session.
 * @returns how many migrations were run.
 * @throws {UnsuitableDatabaseError} saying what the server or the role lacks, or why this cannot be the ledger's currency.
 */
export async function migrateDatabase(url: string, options: MigrationOptions = {}): Promise<number> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'thesaurum migrate',
    connectionTimeoutMillis: 10_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await checkServer(client)
    const migrations = (await countMissing(client)) === 0 ? 0 : await migrateUnderLock(client, options)
    if (migrations === 0) await refuseNewerSchema(client)
    if (options.ledgerCurrency !== undefined) await setLedgerCurrency(client, options.ledgerCurrency)
    return migrations
  } finally {
    await client.end()
  }
}

async function migrateUnderLock(
  client: pg.Client,
  { ledgerCurrency, lockPatienceMs = LOCK_PATIENCE_MS }: MigrationOptions,
): Promise<number> {
  // So that PostgreSQL gives up the wait for the lock, or a migration, within a second after this process has ended.
  await client.query("set client_connection_check_interval = '1s'").catch(ignoreUnsupported)
  await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK.toString()])
  const missing = await countMissing(client)
  if (missing > 0) {
    await passLedgerCurrency(client, ledgerCurrency)
    await runPatiently(client, missing, lockPatienceMs)
  }
  return missing
}

/** How many migrations the database lacks, by Drizzle's own rule: those that are later than the last one that it has. */
async function countMissing(client: pg.Client): Promise<number> {
  const migrations = readMigrationFiles({ migrationsFolder: MIGRATIONS_FOLDER })
  try {
    const { rows } = await client.query('select max(created_at) as last from drizzle.__drizzle_migrations')
    return migrations.filter(({ folderMillis }) => folderMillis > Number(rows[0].last)).length
  } catch (error) {
    const sqlstate = sqlstateOf(error)
    if (sqlstate === SQLSTATE.UNDEFINED_TABLE) return migrations.length
    if (sqlstate !== SQLSTATE.INSUFFICIENT_PRIVILEGE) throw error
    throw new UnsuitableDatabaseError(
      'The role in DATABASE_URL may not read drizzle.__drizzle_migrations, which says whether the database is up to date. Grant it the rights that docs/security.md lists.',
      { cause: error },
    )
  }
}

/** A newer version has migrated the database, and renamed or dropped what this version uses. */
async function refuseNewerSchema(client: pg.Client): Promise<void> {
  if (await hasColumns(drizzle(client))) return
  throw new UnsuitableDatabaseError(
    'The database lacks a table or a column that this version uses: a newer version of Thesaurum has changed its schema. Start that version.',
  )
}

/**
 * A migration gives up soon when it cannot lock a table, since everybody who comes later waits behind it. It is then run
 * again, all of it: the migrations are one database transaction.
 */
async function runPatiently(client: pg.Client, missing: number, patienceMs: number): Promise<void> {
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    try {
      return await runMigrations(client, missing)
    } catch (error) {
      if (!LOCK_FAILURES.has(sqlstateOf(error))) throw error
      if (performance.now() >= giveUpAt)
        throw new UnsuitableDatabaseError(
          'The migrations could not lock the tables, because something uses them for long, such as a backup or a verification. Wait until it has ended, or stop it, and try again.',
          { cause: error },
        )
      await sleep(LOCK_PAUSE_MS)
    }
  }
}

async function runMigrations(client: pg.Client, missing: number): Promise<void> {
  try {
    await migrate(drizzle(client), { migrationsFolder: MIGRATIONS_FOLDER })
  } catch (error) {
    if (isUnknownCurrency(error)) throw new UnsuitableDatabaseError(UNKNOWN_CURRENCY, { cause: error })
    if (sqlstateOf(error) === SQLSTATE.DEPENDENT_OBJECTS_STILL_EXIST)
      throw new UnsuitableDatabaseError(
        `The migrations replace what other objects of the database use: ${databaseDetailOf(error)?.replaceAll('\n', ', ')}. Drop those objects, start again, and then create them again.`,
        { cause: error },
      )
    if (sqlstateOf(error) !== SQLSTATE.INSUFFICIENT_PRIVILEGE) throw error
    throw new UnsuitableDatabaseError(
      `The database lacks ${missing} of the migrations, and the role in DATABASE_URL may not run them. Run \`npm run db:migrate\` (\`thesaurum migrate\`) as the owner of the database.`,
      { cause: error },
    )
  }
}

/** A PostgreSQL on Windows cannot look whether its client is there. */
function ignoreUnsupported(error: unknown): void {
  if (sqlstateOf(error) !== SQLSTATE.INVALID_PARAMETER_VALUE) throw error
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as version_name,
            current_setting('synchronous_commit') as synchronous_commit, current_setting('server_encoding') as encoding,
            current_setting('transaction_read_only') as read_only`,
  )
  const { version, version_name, synchronous_commit, encoding, read_only } = rows[0]
  if (version < SERVER_VERSION_MIN) {
    throw new UnsuitableDatabaseError(`PostgreSQL ${version_name} is too old: Thesaurum needs 15 or newer.`)
  }
  if (synchronous_commit === 'off') {
    throw new UnsuitableDatabaseError(
      'synchronous_commit is off for this role or database: an acknowledged transaction could be lost. Set it to on.',
    )
  }
  if (read_only === 'on') {
    throw new UnsuitableDatabaseError(READ_ONLY)
  }
  if (encoding !== 'UTF8') {
    throw new UnsuitableDatabaseError(`The database's encoding is ${encoding}: Thesaurum needs UTF8.`)
  }
}
