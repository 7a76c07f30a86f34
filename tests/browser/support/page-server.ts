import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { createGraphiqlPage, type GraphiqlOptions } from '../../../src/server/graphiql.ts'
import { createGraphql, GRAPHQL_PATH } from '../../../src/server/graphql.ts'
import { createHttpServer } from '../../../src/server/http.ts'
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
  const http = createHttpServer({
    ledger,
    graphql: createGraphql(ledger, pino({ level: 'silent' }), { tellsStatements: false }),
    graphiql: {
      ownsPath: page.ownsPath,
      respond: (request, response) => page.respond(request, response, { headers: options.visitorHeaders }),
    },
    bodyBytesMax: 2 ** 20,
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return {
    endpoint: `http://localhost:${(http.address() as AddressInfo).port}${GRAPHQL_PATH}`,
    async close() {
      const closed = once(http, 'close')
      http.close()
      http.closeAllConnections()
      await closed
      await ledger.close()
    },
  }
}
