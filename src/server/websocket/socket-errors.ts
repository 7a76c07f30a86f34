import type { GraphQLError, GraphQLFormattedError } from 'graphql'
import { requestError } from '../../schema/request-error.ts'

/* What operations on sockets are refused with before GraphQL hears of them. */

export const databaseAway = () => requestError('UNAVAILABLE')

export const sessionOver = () =>
  requestError('UNAUTHENTICATED', 'The session has ended. Sign in again, and open a new socket.')

export function tooManySubscriptions(max: number): GraphQLError {
  return requestError(
    'TOO_MANY_SUBSCRIPTIONS',
    `A socket may run at most ${max} operations at once. Open another socket.`,
  )
}

/** Yoga marks errors for HTTP status codes; no socket has any. */
export function withoutHttp(error: GraphQLError): GraphQLFormattedError {
  const formatted = error.toJSON()
  if (!formatted.extensions || !('http' in formatted.extensions)) return formatted
  const { http: _http, ...extensions } = formatted.extensions
  return { ...formatted, extensions }
}
