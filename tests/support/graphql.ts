import { pino } from 'pino'
import { type Auth, openAuth } from '../../src/auth/auth.ts'
import { CONNECTIONS_DEFAULT, shareConnections } from '../../src/db/connection-shares.ts'
import type { Caller } from '../../src/schema/context.ts'
import { BoundedLog } from '../../src/server/bounded-log.ts'
import { createGraphql, type GraphqlOptions, type GraphqlServer } from '../../src/server/graphql/yoga.ts'
import { RequestLog } from '../../src/server/request-log.ts'
import type { TestLedger } from './ledger.ts'

/** An operator, without a token that anybody would have to check. */
export const OPERATOR: Caller = {
  viewer: { userId: null, role: 'OPERATOR', accountIds: null, key: 'the test' },
  token: null,
  client: '127.0.0.1',
}

export function silentRequestLog(): RequestLog {
  const logger = pino({ level: 'silent' })
  return new RequestLog({ logger, errors: new BoundedLog(logger) })
}

/** GraphQL alone, on a ledger of a test: whoever asks is an operator. */
export async function openTestGraphql(
  ledger: TestLedger,
  options: Partial<GraphqlOptions> = {},
): Promise<{ graphql: GraphqlServer; auth: Auth; close(): Promise<void> }> {
  const auth = await openAuth({
    url: ledger.test.url,
    connections: shareConnections(CONNECTIONS_DEFAULT),
    preparedStatements: true,
    answerTimeoutMs: 16_000,
    sessions: { idleTimeoutMs: 3_600_000, lifetimeMs: 86_400_000 },
    onError: (error) => ledger.errors.push(error),
  })
  const graphql = createGraphql({
    ledger,
    auth,
    log: silentRequestLog(),
    callerOf: () => OPERATOR,
    tokenHint: () => '',
    tellsStatements: false,
    introspection: true,
    persistedOperations: undefined,
    subscriptionsPerViewerMax: 1_000,
    operationDeadlineMs: 15_000,
    userCostMax: 50_000,
    operatorCostMax: 500_000,
    ...options,
  })
  return { graphql, auth, close: () => auth.close() }
}
