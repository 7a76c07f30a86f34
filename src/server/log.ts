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

/** Longer messages are cut: statements can be. */
const MESSAGE_LENGTH_MAX = 1_000
/** Causes of causes. */
const DEPTH_MAX = 5

/** PostgreSQL repeats a bad value after a colon ("invalid input syntax for type uuid: …"): class 22, data exceptions. */
const withoutValue = (message: string, code: unknown) =>
  typeof code === 'string' && code.startsWith('22') ? (message.split(/: /)[0] ?? '') : message

/**
 * An error without what it was working on. Drizzle puts the parameters of a statement into message and stack (an e-mail, the
 * hash of a password), and PostgreSQL the row into its detail: neither is written down. One stack is enough, that of the
 * error itself: its causes have about the same.
 */
function describeError(error: unknown, depth = 0): Described {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error' }
  const { query, code, constraint, cause } = error as Error & Record<'query' | 'code' | 'constraint', unknown>
  const message = typeof query === 'string' ? `Failed query: ${query}` : withoutValue(error.message, code)
  return {
    type: error.constructor.name,
    message: message.slice(0, MESSAGE_LENGTH_MAX),
    ...(depth > 0 ? {} : { stack: framesOf(error) }),
    ...(code === undefined ? {} : { code }),
    ...(constraint === undefined ? {} : { constraint }),
    ...(cause === undefined || depth >= DEPTH_MAX ? {} : { cause: describeError(cause, depth + 1) }),
  }
}

/** Where it happened. The lines before that repeat the message, and so the parameters. */
function framesOf({ stack }: Error): string | undefined {
  return stack
    ?.split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n')
}

/** The server's log: JSON lines. */
export function createLogger(level: string, destination: DestinationStream): Logger {
  const serializers = { err: (error: unknown) => describeError(error) }
  // With `err`, the default, pino would take the message of an error that is logged without one, with the values in it.
  return pino({ level, base: null, errorKey: 'error', serializers }, destination)
}
