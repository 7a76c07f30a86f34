import type { ServerResponse } from 'node:http'
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

/** A refusal in the form GraphQL clients read. */
export function answer(
  response: ServerResponse,
  status: number,
  message: string,
  extensions?: Readonly<Record<string, unknown>>,
  isLast = false,
): void {
  if (isLast) response.setHeader('connection', 'close')
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
  identify(response)
  const code = extensions?.code
  if (typeof code === 'string') recordOf(response.req)?.addCode(code)
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify({ errors: [{ message, ...(extensions && { extensions }) }] }))
}
