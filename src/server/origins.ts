import type { IncomingMessage, ServerResponse } from 'node:http'

/*
 * Which pages a browser may let talk to this server: its own, and those of the allow-list. Nothing rests on cookies, so no
 * answer allows credentials.
 */

const PREFLIGHT_HEADERS = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'authorization, content-type, x-statement-count',
  'access-control-max-age': '600',
}

/** Whether the page that asks, if one does, is our own or on the list. Programs send no origin. */
export function isAllowedOrigin({ headers }: IncomingMessage, allowedOrigins: readonly string[]): boolean {
  const { origin } = headers
  if (origin === undefined || allowedOrigins.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === headers.host
}

/** Tells the browser of a page on the list that it may have the answer. */
export function allowOrigin(
  { headers }: IncomingMessage,
  response: ServerResponse,
  allowedOrigins: readonly string[],
): void {
  if (allowedOrigins.length === 0) return
  response.setHeader('vary', 'Origin')
  if (headers.origin === undefined || !allowedOrigins.includes(headers.origin)) return
  response.setHeader('access-control-allow-origin', headers.origin)
  response.setHeader('access-control-expose-headers', 'retry-after, www-authenticate')
}

/** Answers what a browser asks before it sends another page's request. */
export function answerPreflight(response: ServerResponse): void {
  const isAllowed = response.hasHeader('access-control-allow-origin')
  response.writeHead(204, { allow: 'GET, POST, OPTIONS', ...(isAllowed ? PREFLIGHT_HEADERS : {}) }).end()
}
