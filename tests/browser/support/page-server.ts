import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { GraphQLError } from 'graphql'
import { createGraphiqlPage, type GraphiqlOptions } from '../../../src/server/graphiql/page.ts'
import { GRAPHQL_PATH } from '../../../src/server/graphql/yoga.ts'
import { createHttpServer } from '../../../src/server/http/http.ts'
import { createMetrics } from '../../../src/server/http/metrics.ts'
import { Readiness } from '../../../src/server/http/readiness.ts'
import { createTestConnections } from '../../support/connections.ts'
import { OPERATOR, openTestGraphql, silentRequestLog } from '../../support/graphql.ts'
import { openTestLedger } from '../../support/ledger.ts'

export interface PageServer {
  endpoint: string
  close(): Promise<void>
}

/** The real server, but with a page that holds what the test wants. */
export async function openPageServer(
  options: Partial<GraphiqlOptions> & { visitorHeaders?: string },
): Promise<PageServer> {
  const ledger = await openTestLedger()
  const page = createGraphiqlPage({
    endpoint: GRAPHQL_PATH,
    title: 'Thesaurum',
    defaultQuery: '{ ledger { userCount } }',
    onFault: (fault) => console.error(fault),
    ...options,
  })
  const { graphql, auth } = await openTestGraphql(ledger)
  const connections = createTestConnections()
  const http = createHttpServer({
    log: silentRequestLog(),
    connections,
    ledger,
    graphql,
    metrics: createMetrics(ledger, auth),
    readiness: new Readiness(ledger),
    graphiql: {
      ownsPath: page.ownsPath,
      respond: (request, response) => page.respond(request, response, { headers: options.visitorHeaders }),
    },
    bodyBytesMax: 2 ** 20,
    keepAliveMs: 75_000,
    visitorOf: () => ({}),
    authenticate: () => OPERATOR,
    tokenHint: () => '',
    admit: () => {},
    onError: () => {},
    allowedOrigins: [],
    fastPath: true,
    maskError: () => new GraphQLError('a test failed'),
    isProduction: false,
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return {
    endpoint: `http://localhost:${(http.address() as AddressInfo).port}${GRAPHQL_PATH}`,
    async close() {
      const closed = once(http, 'close')
      http.close()
      http.closeAllConnections()
      await closed
      await Promise.all([ledger.close(), auth.close()])
    },
  }
}
