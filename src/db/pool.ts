import { sql } from 'drizzle-orm'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { noteStatement } from './statement-count.ts'

export type Database = NodePgDatabase<Record<string, never>>

export interface PoolOptions {
  url: string
  /** Shown in pg_stat_activity. */
  name: string
  connectionsMax: number
  /** Off for a PgBouncer that cannot keep prepared statements (before 1.21): then every statement is sent unnamed. */
  preparedStatements: boolean
  /** Statements are sent without waiting for the answer to the one before. */
  pipelines?: boolean
  /** How long to wait for a free or a new connection. */
  connectTimeoutMs: number
  /** How long to wait for the answer to any one statement: the last resort against a peer that has vanished. */
  answerTimeoutMs: number
}

/** Forgets the names of prepared statements, so that none outlives its transaction on the server. */
class UnnamedClient extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: pg's query has a dozen overloads, and all of them go through here
  override query(config: any, ...rest: any[]): any {
    const unnamed = typeof config === 'object' && config?.name ? { ...config, name: undefined } : config
    return (super.query as (...parameters: unknown[]) => unknown).call(this, unnamed, ...rest)
  }
}

/**
 * A pool that survives the deaths of its connections. Without a listener an error event of an idle client, or of a
 * client checked out and silent, would end the process.
 */
export function openPool({
  url,
  name,
  connectionsMax,
  preparedStatements,
  pipelines = false,
  connectTimeoutMs,
  answerTimeoutMs,
}: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: name,
    max: connectionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: answerTimeoutMs,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    pipeline: pipelines,
    ...(preparedStatements ? {} : { Client: UnnamedClient }),
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  countUntilClosed(pool)
  return pool
}

/** How long a connection that was given up may take to close; then it is cut. */
const CLOSE_TIMEOUT_MS = 1_000

/**
 * Counts a connection that was given up after an error until it is closed. pg-pool does not count it any more, and would
 * open its successor while PostgreSQL still has it.
 */
function countUntilClosed(pool: pg.Pool): void {
  const closing = new Map<pg.PoolClient, NodeJS.Timeout>()
  pool.on('release', (error, client) => {
    if (!error) return
    pool.options.max--
    closing.set(client, setTimeout(() => client.connection.stream.destroy(), CLOSE_TIMEOUT_MS).unref())
  })
  // pg-pool serves whoever waits for a connection right after this event.
  pool.on('remove', (client) => {
    const timer = closing.get(client)
    if (timer === undefined) return
    clearTimeout(timer)
    closing.delete(client)
    pool.options.max++
  })
}

/** How much of a pool is in use. */
export interface PoolUse {
  idle: number
  busy: number
  /** Whoever waits for a connection. */
  waiting: number
}

export function useOf({ idleCount, totalCount, waitingCount }: pg.Pool): PoolUse {
  return { idle: idleCount, busy: totalCount - idleCount, waiting: waitingCount }
}

/** Drizzle over a pool, for statements that need no transaction. */
export function databaseOf(pool: pg.Pool): Database {
  return drizzle(pool)
}

/** The same, and counts the statements that an operation waits for. */
export function countedDatabaseOf(pool: pg.Pool): Database {
  return drizzle(pool, { logger: { logQuery: noteStatement } })
}

/** Asks for nothing; fails when the database does not answer. */
export async function ping(database: Database): Promise<void> {
  await database.execute(sql`select 1`)
}
