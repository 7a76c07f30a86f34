import { GraphQLError, type GraphQLErrorOptions } from 'graphql'
import {
  type FixedCode,
  REQUEST_CODES,
  type RequestCode,
  type RequestCodeRules,
  type StatusCode,
} from './request-codes.ts'
import { messageOf } from './result-codes.ts'

/** The place of an error, and what its `extensions` have besides those of the catalogue. */
export interface RequestErrorOptions extends Pick<GraphQLErrorOptions, 'nodes' | 'path'> {
  extensions?: Readonly<Record<string, unknown>>
}

export interface StatusOptions {
  isOkInJson?: boolean
}

/** The `extensions` of an error: the code, and `retryable` where the catalogue has it. */
export function extensionsOf(code: RequestCode, more?: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { retryable }: RequestCodeRules = REQUEST_CODES[code]
  return { code, ...(retryable !== undefined && { retryable }), ...more }
}

/** An entry of `errors` in an answer. */
export function requestError(code: FixedCode, message?: string, options?: RequestErrorOptions): GraphQLError
export function requestError(code: RequestCode, message: string, options?: RequestErrorOptions): GraphQLError
export function requestError(
  code: RequestCode,
  message: string = messageOf(REQUEST_CODES[code]),
  { extensions, ...place }: RequestErrorOptions = {},
): GraphQLError {
  return new GraphQLError(message, { ...place, extensions: extensionsOf(code, extensions) })
}

/**
 * The error of a request of which nothing was executed. It sets the HTTP status of the catalogue.
 *
 * @param options `isOkInJson`: an answer in `application/json` has 200 all the same.
 */
export function refusedRequest(code: StatusCode & FixedCode, message?: string, options?: StatusOptions): GraphQLError
export function refusedRequest(code: StatusCode, message: string, options?: StatusOptions): GraphQLError
export function refusedRequest(
  code: StatusCode,
  message: string = messageOf(REQUEST_CODES[code]),
  { isOkInJson = false }: StatusOptions = {},
): GraphQLError {
  const { status, retryAfterSeconds }: RequestCodeRules = REQUEST_CODES[code]
  const headers = retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }
  const http = { status, ...(isOkInJson && { spec: true }), ...(headers && { headers }) }
  return requestError(code, message, { extensions: { http } })
}
