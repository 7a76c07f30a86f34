import type { IncomingMessage, ServerResponse } from 'node:http'

/*
 * Which pages a browser may let talk to this server: its own, and those of the allow-list. Nothing rests on cookies, so no
 * answer allows credentials.
 */

const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-max-age': '600',
}

/** Names of headers, as RFC 9110 writes them, with commas between. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:, ?[\w!#$%&'*+.^`|~-]+)*$/
const HEADER_NAMES_LENGTH_MAX = 1_000

/**
 * The headers that a page may send: those that it asks for. Tracing and client libraries add many (`sentry-trace`, `baggage`,
 * `traceparent`, `apollographql-client-name`), and none of them gives a page of the list more than any program has.
 */
function allowedHeaders({ headers }: IncomingMessage): string {
  const asked = headers['access-control-request-headers']
  const isSound = asked !== undefined && asked.length <= HEADER_NAMES_LENGTH_MAX && HEADER_NAMES.test(asked)
  return isSound ? asked : 'authorization, content-type'
}

/** Whether the page that asks, if one does, is our own or on the list. Programs send no origin. */
export function isAllowedOrigin({ headers }: IncomingMessage, allowedOrigins: readonly string[]): boolean {
  const { origin } = headers
  if (origin === undefined || allowedOrigins.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === headers.host
}

/** Allows a page on the list to read the answer. */
export function allowOrigin(
  { headers }: IncomingMessage,
  response: ServerResponse,
  allowedOrigins: readonly string[],
): void {
  if (allowedOrigins.length === 0) return
  response.setHeader('vary', 'Origin')
  if (headers.origin === undefined || !allowedOrigins.includes(headers.origin)) return
  response.setHeader('access-control-allow-origin', headers.origin)
  response.setHeader('access-control-expose-headers', 'retry-after, www-authenticate, x-request-id')
}

/** Answers what a browser asks before it sends another page's request. */
export function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const allow = 'GET, POST, OPTIONS'
  if (response.hasHeader('vary')) response.setHeader('vary', 'Origin, Access-Control-Request-Headers')
  if (!response.hasHeader('access-control-allow-origin')) return void response.writeHead(204, { allow }).end()
  response
    .writeHead(204, { allow, ...PREFLIGHT_HEADERS, 'access-control-allow-headers': allowedHeaders(request) })
    .end()
}
