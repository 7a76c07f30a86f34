import { GraphQLError, type GraphQLFormattedError } from 'graphql'

/* What operations on sockets are refused with before GraphQL hears of them. */

export const databaseAway = () =>
  new GraphQLError('The ledger could not answer. Try again later.', {
    extensions: { code: 'UNAVAILABLE', retryable: true },
  })

export const sessionOver = () =>
  new GraphQLError('The session has ended. Sign in again, and open a new socket.', {
    extensions: { code: 'UNAUTHENTICATED' },
  })

export function tooManySubscriptions(max: number): GraphQLError {
  return new GraphQLError(`A socket may run at most ${max} operations at once. Open another socket.`, {
    extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' },
  })
}

/** Yoga marks errors for HTTP status codes; no socket has any. */
export function withoutHttp(error: GraphQLError): GraphQLFormattedError {
  const formatted = error.toJSON()
  if (!formatted.extensions || !('http' in formatted.extensions)) return formatted
  const { http: _http, ...extensions } = formatted.extensions
  return { ...formatted, extensions }
}
