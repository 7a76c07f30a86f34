import { z } from 'zod'

/** All mistakes in the environment, one line each, so that a person can fix them all at once. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** The command line is wrong. */
export class UsageError extends ConfigError {
  override name = 'UsageError'
}

const integer = (name: string, { min, max, default: initial }: { min: number; max: number; default: number }) =>
  z
    .string()
    .regex(/^[0-9]{1,15}$/, `${name} must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `${name} must be a whole number from ${min} to ${max}`)
    .default(initial)

/** A bound on what waits in memory. */
const bytes = (name: string, initial: number) => integer(name, { min: 1024, max: 2 ** 40, default: initial })

const postgresUrl = (name: string) =>
  z.string().refine((value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined
    return url?.protocol === 'postgres:' || url?.protocol === 'postgresql:'
  }, `${name} must look like postgres://user:password@host:5432/database`)

const oneOf = <const Values extends readonly [string, ...string[]]>(name: string, values: Values) =>
  z.enum(values, `${name} must be one of ${values.join(', ')}`)

const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine(
    (origins) => origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin),
    'ALLOWED_ORIGINS must look like https://app.example.com,https://other.example.com',
  )

const Environment = z.object({
  NODE_ENV: oneOf('NODE_ENV', ['development', 'test', 'production']).default('development'),
  HOST: z.string().min(1, 'HOST must not be empty').default('127.0.0.1'),
  PORT: integer('PORT', { min: 0, max: 65_535, default: 4000 }),
  DATABASE_URL: postgresUrl('DATABASE_URL').optional(),
  DIRECT_DATABASE_URL: postgresUrl('DIRECT_DATABASE_URL').optional(),
  /** The minimum and the default are those of the parts (db/connection-shares.ts). */
  DATABASE_CONNECTIONS_MAX: integer('DATABASE_CONNECTIONS_MAX', { min: 15, max: 1_000, default: 38 }),
  PREPARED_STATEMENTS: oneOf('PREPARED_STATEMENTS', ['on', 'off']).default('on'),
  /** Set by our image, and by podman: the server runs in a container. */
  container: z.string().optional(),
  /** Undefined: the one that the ledger has, USD at first. */
  LEDGER_CURRENCY: z
    .string()
    .regex(/^[A-Z0-9_]{3,12}$/, 'LEDGER_CURRENCY must be the code of a currency, such as USD')
    .optional(),
  DATA_DIR: z.string().min(1, 'DATA_DIR must not be empty').default('.data'),
  LOG_LEVEL: oneOf('LOG_LEVEL', ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  ALLOWED_ORIGINS: origins.default([]),
  TRUSTED_PROXY_COUNT: integer('TRUSTED_PROXY_COUNT', { min: 0, max: 10, default: 0 }),
  GRAPHIQL: oneOf('GRAPHIQL', ['on', 'off']).optional(),
  INTROSPECTION: oneOf('INTROSPECTION', ['on', 'off']).optional(),
  PERSISTED_OPERATIONS: z.string().optional(),
  SESSION_IDLE_MS: integer('SESSION_IDLE_MS', { min: 1_000, max: 31_536_000_000, default: 3_600_000 }),
  SESSION_LIFETIME_MS: integer('SESSION_LIFETIME_MS', { min: 1_000, max: 31_536_000_000, default: 86_400_000 }),
  SESSION_RETENTION_DAYS: integer('SESSION_RETENTION_DAYS', { min: 0, max: 36_500, default: 30 }),
  API_TOKEN_RETENTION_DAYS: integer('API_TOKEN_RETENTION_DAYS', { min: 0, max: 36_500, default: 90 }),
  KEEP_ALIVE_MS: integer('KEEP_ALIVE_MS', { min: 1_000, max: 3_600_000, default: 75_000 }),
  BODY_BYTES_MAX: integer('BODY_BYTES_MAX', { min: 1024, max: 2 ** 28, default: 2 ** 20 }),
  OPERATION_DEADLINE_MS: integer('OPERATION_DEADLINE_MS', { min: 100, max: 600_000, default: 15_000 }),
  SHUTDOWN_DELAY_MS: integer('SHUTDOWN_DELAY_MS', { min: 0, max: 600_000, default: 0 }),
  BATCH_SIZE_MAX: integer('BATCH_SIZE_MAX', { min: 1, max: 10_000, default: 256 }),
  QUEUE_LENGTH_MAX: integer('QUEUE_LENGTH_MAX', { min: 1, max: 1_000_000, default: 10_000 }),
  BATCH_LOCK_WAIT_MS: integer('BATCH_LOCK_WAIT_MS', { min: 1, max: 60_000, default: 100 }),
  FILTER_SCAN_MAX: integer('FILTER_SCAN_MAX', { min: 200, max: 10_000_000, default: 10_000 }),
  FAILED_TRANSACTION_RETENTION_DAYS: integer('FAILED_TRANSACTION_RETENTION_DAYS', {
    min: 0,
    max: 36_500,
    default: 90,
  }),
  FAILED_TRANSACTIONS_PER_HOUR_MAX: integer('FAILED_TRANSACTIONS_PER_HOUR_MAX', {
    min: 0,
    max: 10_000_000,
    default: 1_000,
  }),
  SUBSCRIPTIONS_PER_SOCKET_MAX: integer('SUBSCRIPTIONS_PER_SOCKET_MAX', { min: 1, max: 100_000, default: 100 }),
  SUBSCRIPTIONS_PER_VIEWER_MAX: integer('SUBSCRIPTIONS_PER_VIEWER_MAX', { min: 1, max: 1_000_000, default: 1_000 }),
  SOCKETS_PER_VIEWER_MAX: integer('SOCKETS_PER_VIEWER_MAX', { min: 1, max: 1_000_000, default: 100 }),
  CONNECTIONS_PER_CLIENT_MAX: integer('CONNECTIONS_PER_CLIENT_MAX', { min: 1, max: 1_000_000, default: 4_000 }),
  REQUESTS_PER_CONNECTION_MAX: integer('REQUESTS_PER_CONNECTION_MAX', { min: 1, max: 10_000, default: 100 }),
  UNREAD_BYTES_PER_CONNECTION_MAX: bytes('UNREAD_BYTES_PER_CONNECTION_MAX', 8 * 2 ** 20),
  UNREAD_BYTES_PER_VIEWER_MAX: bytes('UNREAD_BYTES_PER_VIEWER_MAX', 32 * 2 ** 20),
  UNREAD_BYTES_OF_STRANGERS_MAX: bytes('UNREAD_BYTES_OF_STRANGERS_MAX', 32 * 2 ** 20),
  UNREAD_BYTES_MAX: bytes('UNREAD_BYTES_MAX', 96 * 2 ** 20),
  UNREAD_TIMEOUT_MS: integer('UNREAD_TIMEOUT_MS', { min: 1_000, max: 3_600_000, default: 20_000 }),
  USER_COST_MAX: integer('USER_COST_MAX', { min: 100, max: 100_000_000, default: 50_000 }),
  OPERATOR_COST_MAX: integer('OPERATOR_COST_MAX', { min: 100, max: 100_000_000, default: 500_000 }),
  CLOCK_AHEAD_MAX_MS: integer('CLOCK_AHEAD_MAX_MS', { min: 0, max: 3_600_000, default: 5_000 }),
})

export type Config = Readonly<z.infer<typeof Environment>>

/** Settings from the command line, by the names of their variables: `--port` is PORT. */
export type Flags = Readonly<Record<string, string>>

/**
 * Reads the environment, the only place that does: no default comes from anywhere else, nothing is read twice. An empty variable counts
 * as absent, since compose files and shells make those.
 *
 * @param serves whether it is for a server, and not for a command that does its work and ends.
 * @param flags win over the environment.
 * @throws {ConfigError} naming every bad setting at once; it never repeats a value, which may be a secret.
 * @throws {UsageError} likewise, where a flag is bad.
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  { serves = true, flags = {} }: { serves?: boolean; flags?: Flags } = {},
): Config {
  const present = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const parsed = Environment.safeParse({ ...present, ...flags })
  const missing = present.NODE_ENV === 'production' ? missingInProduction(present, serves) : []
  const wrong = parsed.error?.issues.map(({ path: [name], message }) => messageOf(String(name), message, flags)) ?? []
  if (parsed.success && missing.length === 0) return parsed.data
  const isFlag = parsed.error?.issues.some(({ path: [name] }) => Object.hasOwn(flags, String(name)))
  throw new (isFlag ? UsageError : ConfigError)([...wrong, ...missing].join('\n'))
}

/** The message, which starts with the variable's name, under the name that was typed. */
function messageOf(name: string, message: string, flags: Flags): string {
  return Object.hasOwn(flags, name) ? message.replace(name, `--${name.toLowerCase().replaceAll('_', '-')}`) : message
}

/** What a server that holds people's money cannot guess. */
function missingInProduction(present: Readonly<Record<string, string | undefined>>, serves: boolean): string[] {
  const needs = {
    DATABASE_URL: 'the embedded PostgreSQL is for development',
    ...(serves && {
      TRUSTED_PROXY_COUNT: 'the number of your proxies in front of the server; 0 when clients connect to it directly',
    }),
  }
  return Object.entries(needs)
    .filter(([name]) => present[name] === undefined)
    .map(([name, why]) => `${name} must be set when NODE_ENV is production: ${why}`)
}

/** Whether a tool for developers is on: in production only where it was asked for. */
export function isOn(config: Config, tool: 'GRAPHIQL' | 'INTROSPECTION'): boolean {
  return (config[tool] ?? (config.NODE_ENV === 'production' ? 'off' : 'on')) === 'on'
}
