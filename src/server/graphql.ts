import type { IncomingMessage } from 'node:http'
import { GraphQLError } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Logger } from 'pino'
import type { Auth } from '../auth/auth.ts'
import { remedyFor } from '../db/sqlstate.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { UnavailableError } from '../ledger/unavailable.ts'
import { type Caller, type Context, createContext } from '../schema/context.ts'
import { schema } from '../schema/index.ts'
import { contextPerEvent } from './context-per-event.ts'
import { answersQueriesBy } from './deadline.ts'
import { createDocumentCache } from './document-cache.ts'
import { type CostLimits, limitsCost, limitsDocuments } from './limits.ts'
import { takesEmptyNameForNone } from './operation-name.ts'
import { type PersistedOperations, runsRequestedDocuments } from './persisted-operations.ts'
import { requestErrorsWithoutValues, unreadableRequest, withoutArgumentValue } from './request-errors.ts'
import { tellsStatementCount } from './statement-count.ts'

export const GRAPHQL_PATH = '/graphql'

export type GraphqlServer = YogaServerInstance<ServerContext, Context>

/** Who sent a request or a frame, found out before GraphQL hears of it. */
export interface ServerContext extends Record<string, unknown> {
  caller?: Caller
  req?: IncomingMessage
}

export interface GraphqlOptions extends CostLimits {
  ledger: Ledger
  auth: Auth
  logger: Logger
  /** Who sent a request over HTTP. */
  callerOf: (request: IncomingMessage) => Caller
  tellsStatements: boolean
  introspection: boolean
  /** undefined: any document runs. */
  persistedOperations: PersistedOperations | undefined
  subscriptionsPerViewerMax: number
  operationDeadlineMs: number
}

/** GraphQL itself, on every transport. What Yoga opens by default (CORS, uploads, batches, pages) is shut. */
export function createGraphql(options: GraphqlOptions): GraphqlServer {
  const { ledger, auth, logger, persistedOperations } = options
  return createYoga<ServerContext, Context>({
    schema,
    context: ({ caller, req }) =>
      createContext(ledger, auth, caller ?? options.callerOf(req as IncomingMessage)) as never,
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
    maskedErrors: { isDev: false, maskError: (error) => maskError(error, logger) },
    plugins: [
      takesEmptyNameForNone as never,
      runsRequestedDocuments(persistedOperations) as never,
      limitsDocuments as never,
      contextPerEvent({
        createContext: (context) => createContext(ledger, auth, context),
        authenticator: auth.authenticator,
        subscriptionsMax: options.subscriptionsPerViewerMax,
      }) as never,
      requestErrorsWithoutValues(options) as never,
      limitsCost(options) as never,
      answersQueriesBy(options.operationDeadlineMs) as never,
      endsStreamsNobodyTakes as never,
      ...(options.tellsStatements ? [tellsStatementCount as never] : []),
    ],
  })
}

/**
 * Yoga answers 406 to a subscription whose client accepts no stream, and nothing at all to one whose client has gone while
 * it was being subscribed; either way it would leave its subscriber behind for ever.
 */
const endsStreamsNobodyTakes: Plugin = {
  onResultProcess({ request, result, resultProcessor }) {
    if (!(Symbol.asyncIterator in result)) return
    const events = result[Symbol.asyncIterator]()
    const end = () => void events.return?.()
    if (!resultProcessor || request.signal.aborted) end()
    else request.signal.addEventListener('abort', end, { once: true })
  },
}

/** What a client may see of an error: its own words when we wrote them for clients, and nothing of any other. */
export function maskError(error: unknown, logger: Logger): Error {
  const unreadable = unreadableRequest(error)
  if (unreadable) return unreadable
  const original = error instanceof GraphQLError ? error.originalError : error
  if (error instanceof GraphQLError && (!original || original instanceof GraphQLError))
    return withoutArgumentValue(error)
  const place = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {}
  if (original instanceof UnavailableError) {
    return new GraphQLError(original.message, { ...place, extensions: { code: original.code, retryable: true } })
  }
  if (remedyFor(original) !== 'fault') {
    logger.warn({ err: original }, 'the database cannot be reached')
    return new GraphQLError('The ledger could not answer now. Send it again a little later.', {
      ...place,
      extensions: { code: 'UNAVAILABLE', retryable: true },
    })
  }
  logger.error({ err: original }, 'an operation failed')
  return new GraphQLError('Unexpected error.', { ...place, extensions: { code: 'INTERNAL_SERVER_ERROR' } })
}
