import { GraphQLError } from 'graphql'

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
export function withoutHttp(error: GraphQLError | { message: string }): never {
  if (!(error instanceof GraphQLError) || !('http' in error.extensions)) return error as never
  const { http: _http, ...extensions } = error.extensions as Record<string, unknown>
  return { ...error.toJSON(), extensions } as never
}
