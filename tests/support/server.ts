import { type Config, readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/server/log.ts'
import { openServer } from '../../src/server/server.ts'
import { openTestDatabase, type TestDatabase } from './database.ts'
import { makeTestOperator, OPERATOR_TOKENS } from './operator.ts'

// biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
export type Answer = { data?: any; errors?: { message: string; path?: unknown; extensions?: any }[] }

export interface TestServer {
  /** As in `http://localhost:12345`. */
  address: string
  /** `address` with /graphql; and the same for sockets. */
  endpoint: string
  socketEndpoint: string
  database: TestDatabase
  /** The token of an operator; and as a header. Every way of these tests to ask sends it by itself. */
  token: string
  authorization: { authorization: string }
  /** What was logged, one JSON line each. */
  logged: string[]
  /** Those of them that are about errors: of warnings and above. */
  errorLines(): string[]
  /** Sends one operation as JSON over HTTP; as an operator, unless other headers are given. */
  ask(query: string, variables?: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>
  close(): Promise<void>
}

/** The whole server in this process, on a free port and a database of its own (or on that of another test server). */
export async function openTestServer(
  environment: Partial<Record<keyof Config, string>> = {},
  shared?: TestDatabase,
): Promise<TestServer> {
  const database = shared ?? (await openTestDatabase())
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', LOG_LEVEL: 'debug', ...environment })
  const logged: string[] = []
  globalThis.canary.watchLog(logged)
  const logger = createLogger(config.LOG_LEVEL, { write: (line: string) => logged.push(line) })
  const server = await openServer(config, database.url, logger)
  const endpoint = `${server.address}/graphql`
  const token = await makeTestOperator(database)
  const authorization = { authorization: `Bearer ${token}` }
  OPERATOR_TOKENS.set(new URL(endpoint).host, token)
  return {
    address: server.address,
    endpoint,
    socketEndpoint: endpoint.replace(/^http/, 'ws'),
    database,
    logged,
    errorLines: () => logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 40),
    token,
    authorization,
    async ask(query, variables = {}, headers = authorization) {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query, variables }),
      })
      return (await response.json()) as Answer
    },
    async close() {
      await server.close()
      if (!shared) await database.close()
    },
  }
}
