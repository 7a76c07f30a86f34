import pg from 'pg'

/** PostgreSQL's error codes, by the names of its documentation (appendix A). No other file writes one as text. */
export const SQLSTATE = {
  INVALID_PARAMETER_VALUE: '22023',
  READ_ONLY_SQL_TRANSACTION: '25006',
  IDLE_IN_TRANSACTION_SESSION_TIMEOUT: '25P03',
  TRANSACTION_TIMEOUT: '25P04',
  INVALID_AUTHORIZATION_SPECIFICATION: '28000',
  INVALID_PASSWORD: '28P01',
  DEPENDENT_OBJECTS_STILL_EXIST: '2BP01',
  INVALID_CATALOG_NAME: '3D000',
  SERIALIZATION_FAILURE: '40001',
  DEADLOCK_DETECTED: '40P01',
  INSUFFICIENT_PRIVILEGE: '42501',
  UNDEFINED_COLUMN: '42703',
  UNDEFINED_TABLE: '42P01',
  TOO_MANY_CONNECTIONS: '53300',
  LOCK_NOT_AVAILABLE: '55P03',
  QUERY_CANCELED: '57014',
  ADMIN_SHUTDOWN: '57P01',
  CRASH_SHUTDOWN: '57P02',
  CANNOT_CONNECT_NOW: '57P03',
  IDLE_SESSION_TIMEOUT: '57P05',
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

/** What PostgreSQL adds to the message, such as the names of the objects that are in the way. */
export function databaseDetailOf(error: unknown): string | undefined {
  return databaseErrorOf(error)?.detail
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
  if (sqlstateOf(error) === SQLSTATE.QUERY_CANCELED) return true
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at.message === 'Query read timeout') return true
  }
  return false
}

/**
 * What to do about a failed database transaction. `upgrade`: a newer version of the server has changed the schema, so only
 * that version can run it. `fault`: never again: it is an error of ours.
 */
export type Remedy = 'again' | 'reconnect' | 'upgrade' | 'fault'

const REMEDIES: Readonly<Record<string, Remedy>> = {
  [SQLSTATE.SERIALIZATION_FAILURE]: 'again',
  [SQLSTATE.DEADLOCK_DETECTED]: 'again',
  [SQLSTATE.LOCK_NOT_AVAILABLE]: 'again',
  // By statement_timeout, which runs out before a lock_timeout of the same length.
  [SQLSTATE.QUERY_CANCELED]: 'again',
  [SQLSTATE.ADMIN_SHUTDOWN]: 'reconnect',
  [SQLSTATE.CRASH_SHUTDOWN]: 'reconnect',
  [SQLSTATE.CANNOT_CONNECT_NOW]: 'reconnect',
  [SQLSTATE.IDLE_SESSION_TIMEOUT]: 'reconnect',
  [SQLSTATE.TOO_MANY_CONNECTIONS]: 'reconnect',
  // A standby, until it is promoted.
  [SQLSTATE.READ_ONLY_SQL_TRANSACTION]: 'reconnect',
  [SQLSTATE.IDLE_IN_TRANSACTION_SESSION_TIMEOUT]: 'reconnect',
  [SQLSTATE.TRANSACTION_TIMEOUT]: 'reconnect',
  // Migrations rename what a server of the version before must not use any more, such as what it locks.
  [SQLSTATE.UNDEFINED_COLUMN]: 'upgrade',
  [SQLSTATE.UNDEFINED_TABLE]: 'upgrade',
}

/** The remedy for an error thrown by a database transaction; an error without a SQLSTATE is the connection's. */
export function remedyFor(error: unknown): Remedy {
  const sqlstate = sqlstateOf(error)
  if (sqlstate !== undefined) return REMEDIES[sqlstate] ?? (sqlstate.startsWith('08') ? 'reconnect' : 'fault')
  return isConnectionError(error) ? 'reconnect' : 'fault'
}

/** Whether the same statements may succeed when this server runs them again. */
export function isTemporary(error: unknown): boolean {
  const remedy = remedyFor(error)
  return remedy === 'again' || remedy === 'reconnect'
}

/** Whether the schema is newer than this server: until the new version is started, nothing that needs the schema works. */
export function isSchemaNewer(error: unknown): boolean {
  return remedyFor(error) === 'upgrade'
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
