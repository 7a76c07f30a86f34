import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSchema, createYoga, Repeater } from 'graphql-yoga'
import { createGraphiqlPage } from '../../../src/server/graphiql.ts'

/** What a test of GraphiQL needs of a server. The real one can stand in for the sample: only the operations differ. */
export interface GraphiqlServer {
  url: string
  /** Every request the server saw, in order. */
  requests: SeenRequest[]
  close(): Promise<void>
}

export interface SampleServer extends GraphiqlServer {
  openSubscriptions(): number
}

export interface SeenRequest {
  method: string
  url: string
  status: number
  headers: Record<string, string | string[] | undefined>
}

export interface SampleServerOptions {
  defaultQuery: string
  title?: string
  defaultHeaders?: string
  visitorHeaders?: string
}

const typeDefs = /* GraphQL */ `
  "A user, as the ledger knows one."
  type User {
    id: ID!
    "What the account holds, in cents."
    balance: String!
  }

  type LedgerEntry {
    sequence: Int!
  }

  type Query {
    "Whoever the token belongs to; null without one."
    viewer: User
  }

  type Subscription {
    "Every entry of an account, as it is posted."
    entryPosted(userId: ID!): LedgerEntry
  }
`

/** A Yoga with one query and one subscription, whose open subscriptions can be counted. */
export async function openSampleServer(options: SampleServerOptions): Promise<SampleServer> {
  let subscriptions = 0
  const schema = createSchema({
    typeDefs,
    resolvers: {
      Query: {
        viewer: (_: unknown, __: unknown, { request }: { request: Request }) =>
          request.headers.get('authorization') === 'Bearer demo'
            ? { id: 'user_1', balance: '12345678901234567890' }
            : null,
      },
      Subscription: {
        entryPosted: {
          subscribe: () =>
            new Repeater(async (push, stop) => {
              subscriptions += 1
              let sequence = 0
              const timer = setInterval(() => push({ entryPosted: { sequence: ++sequence } }), 100)
              await stop
              clearInterval(timer)
              subscriptions -= 1
            }),
        },
      },
    },
  })
  const yoga = createYoga({ schema, graphiql: false, cors: false, landingPage: false, logging: false })
  const page = createGraphiqlPage({
    endpoint: '/graphql',
    title: options.title ?? 'Thesaurum',
    defaultQuery: options.defaultQuery,
    defaultHeaders: options.defaultHeaders,
    onFault: (fault) => console.error(fault),
  })
  const requests: SeenRequest[] = []
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    // Not 'finish': a subscription the client leaves never finishes.
    response.once('close', () => requests.push({ method, url, status: response.statusCode, headers }))
    const path = url.split('?', 1)[0] ?? ''
    const wantsPage = path === '/graphql' && /^(GET|HEAD)$/.test(method) && headers.accept?.includes('text/html')
    if (wantsPage || page.ownsPath(path)) page.respond(request, response, { headers: options.visitorHeaders })
    else yoga(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    requests,
    openSubscriptions: () => subscriptions,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
      await yoga.dispose()
    },
  }
}
