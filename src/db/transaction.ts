import { sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import type pg from 'pg'
import type { Database } from './pool.ts'
import { isStatementError } from './sqlstate.ts'

/*
 * One database transaction, whose outcome is always known or known to be unknown.
 *
 * Drizzle's own `db.transaction()` on a pool loses the client when BEGIN fails, and turns a death at COMMIT into
 * "Failed query: rollback". Here the client is checked out by us, and a flag says whether COMMIT was sent:
 *
 *   before COMMIT is sent   any failure: not committed. The error is thrown as it is.
 *   after                   an ERROR reported by the server: not committed, thrown as it is.
 *                           anything else (a dead connection, FATAL, a warning that the wait for a standby was
 *                           cancelled): OutcomeUnknownError.
 *
 * After any failure the connection is thrown away: whatever state it was in dies with it.
 */

/** COMMIT was sent and its answer never came: the rows may be there, or not. Ask again by key. */
export class OutcomeUnknownError extends Error {
  override name = 'OutcomeUnknownError'
}

/** A statement had already broken the transaction, so COMMIT was answered with ROLLBACK: definite. */
class RolledBackError extends Error {
  override name = 'RolledBackError'
}

export interface TransactionLimits {
  lockTimeoutMs: number
  statementTimeoutMs: number
  /** Between two statements, so that a stalled process frees its locks. */
  idleTimeoutMs: number
}

/** A Drizzle database on one connection, made once a connection so that what is prepared on it stays prepared. */
const databases = new WeakMap<pg.PoolClient, Database>()

function databaseOn(client: pg.PoolClient): Database {
  let database = databases.get(client)
  if (!database) {
    database = drizzle(client)
    databases.set(client, database)
  }
  return database
}

/** No connection could be had: nothing was begun. */
export class NotConnectedError extends Error {
  override name = 'NotConnectedError'
}

/**
 * Runs `work` in one READ COMMITTED database transaction.
 *
 * The isolation level is explicit, since an inherited REPEATABLE READ would read balances from before the lock was
 * had and overdraw. Timeouts travel with BEGIN in one simple query: as startup parameters PgBouncer would refuse them.
 *
 * @throws {OutcomeUnknownError} when COMMIT was sent and its outcome is not known. Any other error: not committed.
 *   {NotConnectedError} when nothing was even begun.
 */
export function inTransaction<Result>(
  pool: pg.Pool,
  limits: TransactionLimits,
  work: (tx: Database) => Promise<Result>,
): Promise<Result> {
  return inPipelinedTransaction(pool, limits, async () => {}, work)
}

/**
 * The same, with BEGIN and the reads of `look` in one round trip where the pool pipelines: what `look` sends does not
 * wait for BEGIN's answer. So it may lock and read, and must write nothing: had BEGIN failed, its statements would run
 * each by itself. `work` begins when BEGIN and `look` have succeeded.
 */
export async function inPipelinedTransaction<Seen, Result>(
  pool: pg.Pool,
  limits: TransactionLimits,
  look: (tx: Database) => Promise<Seen>,
  work: (tx: Database, seen: Seen) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch((error) => {
    throw new NotConnectedError('no connection could be had', { cause: error })
  })
  let commitSent = false
  let warned = false
  const onNotice = () => {
    if (commitSent) warned = true
  }
  client.on('notice', onNotice)
  try {
    const tx = databaseOn(client)
    // Straight to the client: Drizzle sends nothing before it is awaited, and BEGIN must be the first to go.
    const [, seen] = await inOneWrite(client, () => inOrder([client.query(beginStatement(limits)), look(tx)]))
    const result = await work(tx, seen)
    commitSent = true
    const { command } = await tx.execute(sql`commit`)
    if (warned) throw new OutcomeUnknownError('COMMIT was answered with a warning')
    if (command !== 'COMMIT') throw new RolledBackError(`COMMIT was answered with ${command}`)
    client.off('notice', onNotice)
    client.release()
    return result
  } catch (error) {
    client.off('notice', onNotice)
    client.release(error instanceof Error ? error : true)
    if (commitSent && !isStatementError(error) && !(error instanceof RolledBackError)) {
      throw new OutcomeUnknownError('the answer to COMMIT never came', { cause: error })
    }
    throw error
  }
}

/**
 * Statements that are sent without waiting for each other go in one write: each write wakes PostgreSQL, at a cost of some 60 µs
 * on a busy machine.
 */
function inOneWrite<Answer>(client: pg.PoolClient, send: () => Answer): Answer {
  const { stream } = client.connection
  stream.cork()
  try {
    return send()
  } finally {
    // Drizzle sends some of them a little later.
    setImmediate(() => stream.uncork())
  }
}

/**
 * The answers to statements that were sent without waiting. After one has failed, the later ones fail too ("current
 * transaction is aborted"). So the error to report is the first in the order of sending, not the first to arrive.
 */
export async function inOrder<Answers extends readonly unknown[]>(
  sent: readonly [...{ [At in keyof Answers]: Promise<Answers[At]> }],
): Promise<Answers> {
  const settled = await Promise.allSettled(sent)
  const answers: readonly unknown[] = settled.map((answer) => {
    if (answer.status === 'rejected') throw answer.reason
    return answer.value
  })
  return answers as Answers
}

const milliseconds = (value: number) => Math.max(1, Math.floor(value))

function beginStatement({ lockTimeoutMs, statementTimeoutMs, idleTimeoutMs }: TransactionLimits): string {
  return [
    'begin isolation level read committed read write',
    `set local lock_timeout = ${milliseconds(lockTimeoutMs)}`,
    `set local statement_timeout = ${milliseconds(statementTimeoutMs)}`,
    `set local idle_in_transaction_session_timeout = ${milliseconds(idleTimeoutMs)}`,
    // A role with client_min_messages = error would not learn that the wait for a standby was cancelled.
    'set local client_min_messages = warning',
  ].join('; ')
}

/** Runs reads over one snapshot of the database: what is committed meanwhile is not seen. Nothing can be written. */
export async function inSnapshot<Result>(
  pool: pg.Pool,
  signal: AbortSignal | undefined,
  work: (tx: Database) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect()
  // The pool's own way waits for the statement under way, and that may be a long one.
  const hangUp = () => client.connection.stream.destroy()
  signal?.addEventListener('abort', hangUp)
  try {
    const tx = databaseOn(client)
    await tx.execute(sql`begin isolation level repeatable read read only`)
    const result = await work(tx)
    await tx.execute(sql`commit`)
    client.release()
    return result
  } catch (error) {
    client.release(error instanceof Error ? error : true)
    throw error
  } finally {
    signal?.removeEventListener('abort', hangUp)
  }
}
