import { GraphQLError } from 'graphql'
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga'
import type { Logger } from 'pino'
import { remedyFor } from '../db/sqlstate.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { UnavailableError } from '../ledger/unavailable.ts'
import { type Context, createContext } from '../schema/context.ts'
import { schema } from '../schema/index.ts'
import { contextPerEvent } from './context-per-event.ts'
import { requestErrorsWithoutValues, unreadableRequest, withoutArgumentValue } from './request-errors.ts'
import { tellsStatementCount } from './statement-count.ts'

export const GRAPHQL_PATH = '/graphql'

export type GraphqlServer = YogaServerInstance<Record<string, unknown>, Context>

/** GraphQL itself, on every transport. What Yoga opens by default (CORS, uploads, batches, pages) is shut. */
export function createGraphql(
  ledger: Ledger,
  logger: Logger,
  { tellsStatements }: { tellsStatements: boolean },
): GraphqlServer {
  return createYoga<Record<string, unknown>, Context>({
    schema,
    context: () => createContext(ledger),
    graphqlEndpoint: GRAPHQL_PATH,
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    // http.ts does it, without a stream of its own around every body.
    maxRequestBodySize: false,
    batching: false,
    logging: false,
    maskedErrors: { isDev: false, maskError: (error) => maskError(error, logger) },
    plugins: [
      contextPerEvent(() => createContext(ledger)) as never,

      requestErrorsWithoutValues as never,
      endsStreamsNobodyTakes as never,
      ...(tellsStatements ? [tellsStatementCount as never] : []),
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
function maskError(error: unknown, logger: Logger): Error {
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
