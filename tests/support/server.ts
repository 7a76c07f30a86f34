import { afterAll, beforeAll, onTestFinished } from 'vitest'
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

type Environment = Partial<Record<keyof Config, string>>

/** The whole server in this process, on a free port and a database of its own (or on that of another test server). */
export async function openTestServer(environment: Environment = {}, shared?: TestDatabase): Promise<TestServer> {
  const database = shared ?? (await openTestDatabase())
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', LOG_LEVEL: 'debug', ...environment })
  const logged: string[] = []
  globalThis.canary.watchLog(logged)
  const logger = createLogger(config.LOG_LEVEL, { write: (line: string) => logged.push(line) })
  const server = await openServer(config, database.url, logger)
  const endpoint = `${server.address}/graphql`
  const token = await makeTestOperator(database)
  const authorization = { authorization: `Bearer ${token}` }
  const { host } = new URL(endpoint)
  OPERATOR_TOKENS.set(host, token)
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
      // Its port may be another server's by now, or soon.
      if (OPERATOR_TOKENS.get(host) === token) OPERATOR_TOKENS.delete(host)
      if (!shared) await database.close()
    },
  }
}

/** The same for one test: it is closed when the test ends. */
export async function serverForTest(environment: Environment = {}, shared?: TestDatabase): Promise<TestServer> {
  const server = await openTestServer(environment, shared)
  onTestFinished(() => server.close())
  return server
}

/** A server for all tests of a file: opened before the first of them, closed after the last. */
export function useServer(environment: Environment = {}): TestServer {
  return useServers({ server: environment }).server
}

/** The same with several servers, on one database. */
export function useServers<Name extends string>(environments: Record<Name, Environment>): Record<Name, TestServer> {
  const names = Object.keys(environments) as Name[]
  // They have their properties as soon as a test can use them.
  const servers = Object.fromEntries(names.map((name) => [name, {}])) as Record<Name, TestServer>
  const closers: (() => Promise<void>)[] = []
  beforeAll(async () => {
    const database = await openTestDatabase()
    closers.unshift(() => database.close())
    for (const name of names) {
      const server = await openTestServer(environments[name], database)
      closers.unshift(() => server.close())
      Object.assign(servers[name], server)
    }
  })
  afterAll(async () => {
    for (const close of closers) await close()
  })
  return servers
}
