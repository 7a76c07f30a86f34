import http from 'k6/http'
import { failed } from './metrics.ts'

const ADDRESS = __ENV.THESAURUM_URL || 'http://localhost:4000'
const ENDPOINT = `${ADDRESS}/graphql`
export const SOCKET_ENDPOINT = ENDPOINT.replace(/^http/, 'ws')

/** What sign-in asks for, where there is one: a header over HTTP, the payload of `connection_init` on a socket. */
export const credentials: Record<string, string> = __ENV.THESAURUM_TOKEN
  ? { authorization: `Bearer ${__ENV.THESAURUM_TOKEN}` }
  : {}

const headers = { 'content-type': 'application/json', ...credentials }

/** Asks, and answers with the data; undefined, and a failure, where there is an error. `operation` tags the request. */
export function ask(
  operation: string,
  query: string,
  variables: Record<string, unknown> = {},
  // biome-ignore lint/suspicious/noExplicitAny: a suite knows what it asked for
): any {
  const response = http.post(ENDPOINT, JSON.stringify({ query, variables }), {
    headers,
    tags: { operation, name: operation },
    timeout: '60s',
  })
  if (response.status !== 200) {
    failed(`${operation}: ${response.status} ${response.error} ${String(response.body).slice(0, 300)}`)
    return undefined
  }
  const { data, errors } = JSON.parse(response.body as string)
  if (!errors) return data
  failed(`${operation}: ${JSON.stringify(errors).slice(0, 300)}`)
  return undefined
}
