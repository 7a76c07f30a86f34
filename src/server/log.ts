import { type DestinationStream, type Logger, pino } from 'pino'

/** What a log line says of an error. */
interface Described {
  type: string
  message: string
  stack?: string | undefined
  code?: unknown
  constraint?: unknown
  cause?: Described
}

/**
 * An error without what it was working on. Drizzle puts the parameters of a statement into message and stack (an e-mail, the
 * hash of a password), and PostgreSQL the row into its detail: neither is written down.
 */
export function describeError(error: unknown, depth = 0): Described {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error' }
  const { query, code, constraint, cause } = error as Error & Record<'query' | 'code' | 'constraint', unknown>
  const message = typeof query === 'string' ? `Failed query: ${query}` : error.message
  return {
    type: error.constructor.name,
    message,
    stack: error.stack?.replace(error.message, message),
    ...(code === undefined ? {} : { code }),
    ...(constraint === undefined ? {} : { constraint }),
    ...(cause === undefined || depth > 5 ? {} : { cause: describeError(cause, depth + 1) }),
  }
}

/** The server's log: JSON lines. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = { level, base: null, serializers: { err: (error: unknown) => describeError(error) } }
  return destination ? pino(options, destination) : pino(options)
}
