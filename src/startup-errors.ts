import { inspect } from 'node:util'
import { ConfigError, UsageError } from './config.ts'
import { EmbeddedDatabaseError } from './db/embedded/embedded.ts'
import { READ_ONLY } from './db/migrate.ts'
import { databaseMessageOf, SQLSTATE, sqlstateOf } from './db/sqlstate.ts'
import { UnsuitableDatabaseError } from './db/unsuitable-database-error.ts'

/** The text for the console: one sentence for an expected error, and all details of any other. */
export function explain(error: unknown): string {
  if (
    error instanceof ConfigError ||
    error instanceof EmbeddedDatabaseError ||
    error instanceof UnsuitableDatabaseError
  ) {
    return error.message
  }
  switch (sqlstateOf(error)) {
    case SQLSTATE.INVALID_AUTHORIZATION_SPECIFICATION:
    case SQLSTATE.INVALID_PASSWORD:
      return 'The database refused the user or the password in DATABASE_URL.'
    case SQLSTATE.INVALID_CATALOG_NAME:
      return 'The database named in DATABASE_URL does not exist: create it first.'
    case SQLSTATE.INSUFFICIENT_PRIVILEGE:
      return `The role in DATABASE_URL lacks a right (${databaseMessageOf(error)}). Grant it the rights that docs/security.md lists.`
    case SQLSTATE.UNDEFINED_COLUMN:
    case SQLSTATE.UNDEFINED_TABLE:
      return `The database lacks what this version uses (${databaseMessageOf(error)}). Start the version that migrated it last.`
    case SQLSTATE.TOO_MANY_CONNECTIONS:
      return 'The database has no free connection. Lower DATABASE_CONNECTIONS_MAX, raise max_connections of the database, or stop other clients.'
    case SQLSTATE.READ_ONLY_SQL_TRANSACTION:
      return READ_ONLY
    case SQLSTATE.CANNOT_CONNECT_NOW:
      return 'The database is starting or stopping. Try again in a moment.'
  }
  const { code, syscall, address, port, hostname } = firstSystemError(error)
  if (syscall === 'listen') return listenSentence(code, address, port)
  if (syscall !== undefined) {
    const where = hostname ?? (address === undefined ? 'the address in DATABASE_URL' : `${address}:${port}`)
    return `The database cannot be reached at ${where} (${code}). Is it running, and is DATABASE_URL right?`
  }
  const words = messagesOf(error)
  if (/password must be a string/.test(words)) return 'The database asks for a password, but DATABASE_URL has none.'
  if (/does not support SSL/.test(words)) return 'DATABASE_URL asks for SSL, but the database does not support it.'
  if (/timeout|terminated/i.test(words)) {
    return 'The database did not answer in time. Is it running, and is DATABASE_URL right?'
  }
  // With its causes: one of them has PostgreSQL's message.
  return inspect(error)
}

/** 2 if the command line is wrong, as is usual for commands. */
export const exitCodeOf = (error: unknown) => (error instanceof UsageError ? 2 : 1)

function listenSentence(code: string | undefined, address: string | undefined, port: number | undefined): string {
  if (code === 'EADDRINUSE') return `Port ${port} is in use. Stop what uses it, or choose another with PORT.`
  if (code === 'EACCES') return `This user may not listen on port ${port}. Choose one above 1023 with PORT.`
  return `Cannot listen on ${address} (${code}). Check HOST and PORT.`
}

interface SystemError {
  code?: string
  syscall?: string
  address?: string
  port?: number
  hostname?: string
}

/** The error, its causes, and the errors of each address if the host has several. */
function* reasonsOf(error: unknown): Generator<Error> {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    yield at
    if (at instanceof AggregateError) yield* at.errors.filter((one) => one instanceof Error)
  }
}

function firstSystemError(error: unknown): SystemError {
  return [...reasonsOf(error)].find((reason): reason is Error & SystemError => 'syscall' in reason) ?? {}
}

const messagesOf = (error: unknown) => [...reasonsOf(error)].map(({ message }) => message).join('\n')
