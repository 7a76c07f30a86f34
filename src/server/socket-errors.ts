import { GraphQLError } from 'graphql'

/* What operations on sockets are refused with before GraphQL hears of them. */

export const databaseAway = () =>
  new GraphQLError('The ledger could not answer now. Send it again a little later.', {
    extensions: { code: 'UNAVAILABLE', retryable: true },
  })

export const sessionOver = () =>
  new GraphQLError('The session is over. Sign in, and open another socket.', {
    extensions: { code: 'UNAUTHENTICATED' },
  })

export function tooManySubscriptions(max: number): GraphQLError {
  return new GraphQLError(`A socket may have ${max} operations running at once. Open another one.`, {
    extensions: { code: 'TOO_MANY_SUBSCRIPTIONS' },
  })
}

/** Yoga marks errors for HTTP status codes; no socket has any. */
export function withoutHttp(error: GraphQLError | { message: string }): never {
  if (!(error instanceof GraphQLError) || !('http' in error.extensions)) return error as never
  const { http: _http, ...extensions } = error.extensions as Record<string, unknown>
  return { ...error.toJSON(), extensions } as never
}
