import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'

const CANARY = 'canary-Zq7'

/** For each variable, values it must not take, marked. */
const BAD: Readonly<Record<string, string[]>> = {
  NODE_ENV: [CANARY, 'Production', ' test'],
  PORT: [CANARY, '-1', '65536', '1.5', '0x50', ' 80', '80 ', '٨٠', '1e3', '9'.repeat(16)],
  DATABASE_URL: [CANARY, `http://${CANARY}@localhost/x`, 'postgres', `//${CANARY}`],
  DIRECT_DATABASE_URL: [`mysql://user:${CANARY}@localhost/x`],
  DATABASE_CONNECTIONS_MAX: [CANARY, '14', '1001'],
  PREPARED_STATEMENTS: [CANARY, 'true', 'ON'],
  LEDGER_CURRENCY: [CANARY, 'usd', 'US', 'US-D', ' USD', 'USD ', 'USD\n', 'ÜSD', 'A'.repeat(13)],
  LOG_LEVEL: [CANARY, 'verbose'],
  KEEP_ALIVE_MS: [CANARY, '999', '3600001'],
  BODY_BYTES_MAX: [CANARY, '1023', '268435457'],
  SHUTDOWN_DELAY_MS: [CANARY, '-1', '600001'],
  OPERATION_DEADLINE_MS: [CANARY, '0', '99', '600001'],
  BATCH_SIZE_MAX: [CANARY, '0', '10001'],
  QUEUE_LENGTH_MAX: [CANARY, '0', '1000001'],
  BATCH_LOCK_WAIT_MS: [CANARY, '0', '60001'],
  SESSION_IDLE_MS: [CANARY, '0', '999'],
  SESSION_LIFETIME_MS: [CANARY, '0', '999'],
  SESSION_RETENTION_DAYS: [CANARY, '-1', '36501'],
  API_TOKEN_RETENTION_DAYS: [CANARY, '-1', '36501'],
  FAILED_TRANSACTION_RETENTION_DAYS: [CANARY, '-1', '36501'],
  FAILED_TRANSACTIONS_PER_HOUR_MAX: [CANARY, '-1', '10000001'],
  TRUSTED_PROXY_COUNT: [CANARY, '-1', '11'],
  ALLOWED_ORIGINS: [CANARY, '*', 'null', 'https://a.example/', 'https://a.example,', `https://a.example/${CANARY}`],
  GRAPHIQL: [CANARY, 'true'],
  INTROSPECTION: [CANARY, 'true'],
  USER_COST_MAX: [CANARY, '99'],
  OPERATOR_COST_MAX: [CANARY, '99'],
  SOCKETS_PER_VIEWER_MAX: [CANARY, '0'],
  CONNECTIONS_PER_CLIENT_MAX: [CANARY, '0', '1000001'],
  REQUESTS_PER_CONNECTION_MAX: [CANARY, '0', '10001'],
  UNREAD_BYTES_PER_CONNECTION_MAX: [CANARY, '1023'],
  UNREAD_BYTES_PER_VIEWER_MAX: [CANARY, '1023'],
  UNREAD_BYTES_OF_STRANGERS_MAX: [CANARY, '1023'],
  UNREAD_BYTES_MAX: [CANARY, '1023'],
  UNREAD_TIMEOUT_MS: [CANARY, '999', '3600001'],
  SUBSCRIPTIONS_PER_VIEWER_MAX: [CANARY, '0'],
  CLOCK_AHEAD_MAX_MS: [CANARY, '-1', '3600001'],
}

function mistakesOf(environment: Record<string, string>): string {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return ''
}

test('an empty environment is a whole configuration, for one at their own machine', () => {
  expect(readConfig({})).toEqual({
    NODE_ENV: 'development',
    HOST: '127.0.0.1',
    PORT: 4000,
    DATABASE_CONNECTIONS_MAX: 38,
    PREPARED_STATEMENTS: 'on',
    DATA_DIR: '.data',
    LOG_LEVEL: 'info',
    KEEP_ALIVE_MS: 75_000,
    BODY_BYTES_MAX: 2 ** 20,
    SHUTDOWN_DELAY_MS: 0,
    OPERATION_DEADLINE_MS: 15_000,
    BATCH_SIZE_MAX: 256,
    QUEUE_LENGTH_MAX: 10_000,
    BATCH_LOCK_WAIT_MS: 100,
    CLOCK_AHEAD_MAX_MS: 5_000,
    FILTER_SCAN_MAX: 10_000,
    SUBSCRIPTIONS_PER_SOCKET_MAX: 100,
    SUBSCRIPTIONS_PER_VIEWER_MAX: 1_000,
    SOCKETS_PER_VIEWER_MAX: 100,
    CONNECTIONS_PER_CLIENT_MAX: 4_000,
    REQUESTS_PER_CONNECTION_MAX: 100,
    UNREAD_BYTES_PER_CONNECTION_MAX: 8 * 2 ** 20,
    UNREAD_BYTES_PER_VIEWER_MAX: 32 * 2 ** 20,
    UNREAD_BYTES_OF_STRANGERS_MAX: 32 * 2 ** 20,
    UNREAD_BYTES_MAX: 96 * 2 ** 20,
    UNREAD_TIMEOUT_MS: 20_000,
    USER_COST_MAX: 50_000,
    OPERATOR_COST_MAX: 500_000,
    SESSION_IDLE_MS: 3_600_000,
    SESSION_LIFETIME_MS: 86_400_000,
    SESSION_RETENTION_DAYS: 30,
    API_TOKEN_RETENTION_DAYS: 90,
    FAILED_TRANSACTION_RETENTION_DAYS: 90,
    FAILED_TRANSACTIONS_PER_HOUR_MAX: 1_000,
    TRUSTED_PROXY_COUNT: 0,
    ALLOWED_ORIGINS: [],
  })
})

test('every variable is read, and strangers are left alone', () => {
  const environment = {
    NODE_ENV: 'production',
    HOST: '0.0.0.0',
    PORT: '0',
    DATABASE_URL: 'postgres://user:secret@db:5432/ledger?sslmode=require',
    DIRECT_DATABASE_URL: 'postgresql:///ledger',
    DATABASE_CONNECTIONS_MAX: '15',
    PREPARED_STATEMENTS: 'off',
    LEDGER_CURRENCY: 'POINTS_2',
    DATA_DIR: '/var/lib/thesaurum',
    LOG_LEVEL: 'silent',
    KEEP_ALIVE_MS: '1000',
    BODY_BYTES_MAX: '1024',
    SHUTDOWN_DELAY_MS: '600000',
    OPERATION_DEADLINE_MS: '600000',
    BATCH_SIZE_MAX: '1',
    QUEUE_LENGTH_MAX: '1000000',
    BATCH_LOCK_WAIT_MS: '60000',
    CLOCK_AHEAD_MAX_MS: '0',
    FILTER_SCAN_MAX: '200',
    SUBSCRIPTIONS_PER_SOCKET_MAX: '1',
    SUBSCRIPTIONS_PER_VIEWER_MAX: '1',
    SOCKETS_PER_VIEWER_MAX: '1',
    CONNECTIONS_PER_CLIENT_MAX: '1',
    REQUESTS_PER_CONNECTION_MAX: '1',
    UNREAD_BYTES_PER_CONNECTION_MAX: '1024',
    UNREAD_BYTES_PER_VIEWER_MAX: '1024',
    UNREAD_BYTES_OF_STRANGERS_MAX: '1024',
    UNREAD_BYTES_MAX: '1024',
    UNREAD_TIMEOUT_MS: '1000',
    USER_COST_MAX: '100',
    OPERATOR_COST_MAX: '100',
    SESSION_IDLE_MS: '1000',
    SESSION_LIFETIME_MS: '1000',
    SESSION_RETENTION_DAYS: '0',
    API_TOKEN_RETENTION_DAYS: '0',
    FAILED_TRANSACTION_RETENTION_DAYS: '0',
    FAILED_TRANSACTIONS_PER_HOUR_MAX: '0',
    TRUSTED_PROXY_COUNT: '1',
    GRAPHIQL: 'on',
    INTROSPECTION: 'off',
    PERSISTED_OPERATIONS: '/etc/thesaurum/operations.json',
  }
  const numbers = Object.entries(environment).filter(([, text]) => /^\d+$/.test(text))
  expect(numbers).toHaveLength(30)
  const origins = 'https://app.example.com, http://localhost:3000'
  expect(readConfig({ ...environment, ALLOWED_ORIGINS: origins, HOME: '/root', PATH: '' })).toEqual({
    ...environment,
    ALLOWED_ORIGINS: ['https://app.example.com', 'http://localhost:3000'],
    ...Object.fromEntries(numbers.map(([name, text]) => [name, Number(text)])),
  })
})

test('an empty variable counts as absent', () => {
  const empty = Object.fromEntries([...Object.keys(BAD), 'HOST', 'DATA_DIR'].map((name) => [name, '']))
  expect(readConfig(empty)).toEqual(readConfig({}))
})

test.each(Object.entries(BAD))('a bad %s is told by its name and never repeated', (name, values) => {
  for (const value of values) {
    const mistakes = mistakesOf({ [name]: value })
    expect(mistakes, value).toMatch(new RegExp(`^${name} must [^\n]+$`))
    expect(mistakes).not.toContain(CANARY)
  }
})

test('every mistake is told at once, a line each, and nothing that is right', () => {
  fc.assert(
    fc.property(fc.subarray(Object.keys(BAD), { minLength: 1 }), (names) => {
      const mistakes = mistakesOf(Object.fromEntries(names.map((name) => [name, CANARY])))
      expect(
        mistakes
          .split('\n')
          .map((line) => line.split(' ')[0])
          .sort(),
      ).toEqual([...names].sort())
      expect(mistakes).not.toContain(CANARY)
    }),
  )
})
