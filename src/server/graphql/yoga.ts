import type { IncomingMessage } from 'node:http'
import { createYoga, type YogaServerInstance } from 'graphql-yoga'
import type { Auth } from '../../auth/auth.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { type Caller, type Context, createContext } from '../../schema/context.ts'
import { schema } from '../../schema/index.ts'
import type { RequestLog } from '../request-log.ts'
import { answersQueriesBy } from './deadline.ts'
import { createDocumentCache } from './document-cache.ts'
import { contextPerEvent } from './event-context.ts'
import { paceLargeOperations } from './large-operations.ts'
import { type CostLimits, limitsCost, limitsDocuments } from './limits.ts'
import { maskError } from './masked-errors.ts'
import { takesEmptyNameForNone } from './operation-name.ts'
import { notesOperations } from './operation-notes.ts'
import { type PersistedOperations, runsRequestedDocuments } from './persisted-operations.ts'
import type { Plugin, ServerContext } from './plugin.ts'
import { requestErrorsWithoutValues } from './request-errors.ts'
import { tellsStatementCount } from './statement-count.ts'

export const GRAPHQL_PATH = '/graphql'

const EVENT_STREAM = 'text/event-stream'

export type GraphqlServer = YogaServerInstance<ServerContext, Context>

export interface GraphqlOptions extends CostLimits {
  ledger: Ledger
  auth: Auth
  log: RequestLog
  /** Who sent a request over HTTP. */
  callerOf: (request: IncomingMessage) => Caller
  /** In development, a sentence that says where the demo operator's token is, for callers without one. */
  tokenHint: () => string
  tellsStatements: boolean
  introspection: boolean
  /** undefined: any document runs. */
  persistedOperations: PersistedOperations | undefined
  subscriptionsPerViewerMax: number
  operationDeadlineMs: number
}

/** GraphQL itself, on every transport. What Yoga opens by default (CORS, uploads, batches, pages) is shut. */
export function createGraphql(options: GraphqlOptions): GraphqlServer {
  const { ledger, auth, persistedOperations } = options
  return createYoga<ServerContext, Context>({
    schema,
    context: ({ caller, req }) =>
      createContext(ledger, auth, caller ?? options.callerOf(req as IncomingMessage), options.tokenHint()),
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    // http.ts does it, without a stream of its own around every body.
    maxRequestBodySize: false,
    batching: false,
    logging: false,
    parserAndValidationCache: { documentCache: createDocumentCache(), errorCache: createDocumentCache() },
    extraParamNames: ['documentId'],
    maskedErrors: { isDev: false, maskError },
    plugins: [
      takesEmptyNameForNone,
      runsRequestedDocuments(persistedOperations),
      limitsDocuments,
      paceLargeOperations(options.operationDeadlineMs),
      contextPerEvent({
        createContext: (context) => createContext(ledger, auth, context, context.tokenHint),
        authenticator: auth.authenticator,
        subscriptionsMax: options.subscriptionsPerViewerMax,
      }),
      requestErrorsWithoutValues(options),
      notesOperations(options.log),
      limitsCost(options),
      answersQueriesBy(options.operationDeadlineMs),
      endsStreamsNobodyTakes,
      ...(options.tellsStatements ? [tellsStatementCount] : []),
    ],
  })
}

/**
 * Ends what an event stream holds when its client has gone. Yoga does so only where its response is being read to the end:
 * not where the client accepts no stream (406), has gone while it was being subscribed, or stopped reading before it went.
 */
const endsStreamsNobodyTakes: Plugin = {
  onResultProcess({ request, result, resultProcessor, setResultProcessor }) {
    if (!(Symbol.asyncIterator in result)) return
    const { signal } = request
    const events = result[Symbol.asyncIterator]()
    const end = () => void events.return?.()
    if (!resultProcessor || signal.aborted) return end()
    signal.addEventListener('abort', end, { once: true })
    setResultProcessor((result, fetchAPI, mediaType) => {
      // What waits in a stream keeps Yoga from noticing that nobody takes it: it would go on pinging.
      const ReadableStream = new Proxy(fetchAPI.ReadableStream, {
        construct(target, parameters) {
          const [source] = parameters as [UnderlyingSource]
          signal.addEventListener('abort', () => void source.cancel?.(), { once: true })
          return Reflect.construct(target, parameters)
        },
      })
      return resultProcessor(result, { ...fetchAPI, ReadableStream }, mediaType)
    }, EVENT_STREAM)
  },
}
