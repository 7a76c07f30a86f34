import type { ServerResponse } from 'node:http'
import { REQUEST_CODES, type RequestCodeRules, type StatusCode } from '../../schema/request-codes.ts'
import { extensionsOf } from '../../schema/request-error.ts'
import { recordOf } from '../http-request.ts'
import { REQUEST_ID_HEADER } from '../request-id.ts'

/** For answers that are data and no pages: nothing of them is to be shown, framed, referred to or kept. GraphiQL has its own. */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}
const PRODUCTION_HEADERS = { ...SECURITY_HEADERS, 'strict-transport-security': 'max-age=31536000' }

export const securityHeaders = (isProduction: boolean): Readonly<Record<string, string>> =>
  isProduction ? PRODUCTION_HEADERS : SECURITY_HEADERS

/** Sets what every answer has, for whoever writes it. Written together with the others they cost less: a common request does that. */
export function secure(response: ServerResponse, isProduction: boolean): void {
  for (const [name, value] of Object.entries(securityHeaders(isProduction))) response.setHeader(name, value)
  identify(response)
}

/** Sends the client the id of its request, which finds its line in the log. */
function identify(response: ServerResponse): void {
  const record = recordOf(response.req)
  if (record) response.setHeader(REQUEST_ID_HEADER, record.id)
}

/** Answers with an error that has a code, and with the status of the code. @param isLast closes the connection. */
export function answerError(response: ServerResponse, code: StatusCode, message: string, isLast = false): void {
  const { status, retryAfterSeconds }: RequestCodeRules & { status: number } = REQUEST_CODES[code]
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds))
  recordOf(response.req)?.addCode(code)
  write(response, status, { message, extensions: extensionsOf(code) }, isLast)
}

/** Answers with an error without a code: the status says what is wrong. @param isLast closes the connection. */
export function answer(response: ServerResponse, status: number, message: string, isLast = false): void {
  write(response, status, { message }, isLast)
}

/** In the form that GraphQL clients read. */
function write(response: ServerResponse, status: number, error: object, isLast: boolean): void {
  if (isLast) response.setHeader('connection', 'close')
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
  identify(response)
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify({ errors: [error] }))
}
