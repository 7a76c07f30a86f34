import pg from 'pg'

/** Those that are asked for by name; what to do about a failed database transaction is below. */
export const SQLSTATE = {
  INVALID_PARAMETER_VALUE: '22023',
  INSUFFICIENT_PRIVILEGE: '42501',
  UNDEFINED_TABLE: '42P01',
} as const

/** What PostgreSQL said, wherever the layers above it have put it: Drizzle wraps it in a cause. */
function databaseErrorOf(error: unknown): pg.DatabaseError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof pg.DatabaseError) return at
  }
  return undefined
}

/** The five characters PostgreSQL gave, or undefined: the driver's own codes (EPIPE has five letters too) are none. */
export function sqlstateOf(error: unknown): string | undefined {
  return databaseErrorOf(error)?.code
}

/** PostgreSQL's sentence, which may name tables and roles. For the console and never for a client. */
export function databaseMessageOf(error: unknown): string | undefined {
  return databaseErrorOf(error)?.message
}

/** The constraint or index that refused a row, if one did. */
export function constraintOf(error: unknown): string | undefined {
  return databaseErrorOf(error)?.constraint
}

/**
 * True when the server reported an error of the statement alone: the session lives, the statement had no effect. A pooler
 * says ERROR too when the server's session has died (08P01), and knows nothing of the statement's fate.
 */
export function isStatementError(error: unknown): boolean {
  const severity = databaseErrorOf(error)?.severity
  return severity === 'ERROR' && remedyFor(error) !== 'reconnect'
}

/** Whether a statement took too long, by PostgreSQL's clock or by ours: `query_timeout` has no code, only these words. */
export function isTimeout(error: unknown): boolean {
  if (sqlstateOf(error) === '57014') return true
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.message === 'Query read timeout') return true
  }
  return false
}

/** What to do about a failed database transaction. `fault`: never again, it is ours to mend. */
export type Remedy = 'again' | 'reconnect' | 'fault'

const REMEDIES: Readonly<Record<string, Remedy>> = {
  '40001': 'again', // serialization_failure
  '40P01': 'again', // deadlock_detected
  '55P03': 'again', // lock_not_available
  '57014': 'again', // query_canceled: by statement_timeout, which runs out before a lock_timeout of the same length
  '57P01': 'reconnect', // admin_shutdown
  '57P02': 'reconnect', // crash_shutdown
  '57P03': 'reconnect', // cannot_connect_now
  '57P05': 'reconnect', // idle_session_timeout
  '53300': 'reconnect', // too_many_connections
  '25006': 'reconnect', // read_only_sql_transaction: a standby, until it is promoted
  '25P03': 'reconnect', // idle_in_transaction_session_timeout
  '25P04': 'reconnect', // transaction_timeout
}

/** The remedy for an error thrown by a database transaction; an error without a SQLSTATE is the connection's. */
export function remedyFor(error: unknown): Remedy {
  const sqlstate = sqlstateOf(error)
  if (sqlstate !== undefined) return REMEDIES[sqlstate] ?? (sqlstate.startsWith('08') ? 'reconnect' : 'fault')
  return isConnectionError(error) ? 'reconnect' : 'fault'
}

/** pg gives most of its connection errors no class and no code, only these words. */
const CONNECTION_WORDS =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after|The server does not support|read E|write E|connect E)/

function isConnectionError(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('syscall' in at || CONNECTION_WORDS.test(at.message)) return true
    if (at instanceof AggregateError && at.errors.some(isConnectionError)) return true
  }
  return false
}
