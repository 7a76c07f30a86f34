import { GraphQLError } from 'graphql'
import { UnavailableError } from '../../ledger/model/unavailable.ts'

const RETRY_AFTER_SECONDS = 1

/** The error of an operation that the server has no time or memory for. Nothing was executed. */
export function overloaded(): GraphQLError {
  const { code, message, retryable } = new UnavailableError('OVERLOADED')
  const http = { status: 503, headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } }
  return new GraphQLError(message, { extensions: { code, retryable, http } })
}
