import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { createGraphiqlPage } from '../../src/server/graphiql/page.ts'
import { maskError } from '../../src/server/graphql/masked-errors.ts'
import { createHttpServer, type HttpOptions } from '../../src/server/http/http.ts'
import { createMetrics } from '../../src/server/http/metrics.ts'
import { Readiness } from '../../src/server/http/readiness.ts'
import { createTestConnections } from '../support/connections.ts'
import { OPERATOR, openTestGraphql, silentRequestLog } from '../support/graphql.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

/* Every request is answered alike, to the byte, with and without the fast path. */

let ledger: TestLedger
let close: () => Promise<void>
const servers: Server[] = []
let account: AccountId

beforeAll(async () => {
  ledger = await openTestLedger()
  ;[account] = await makeAccounts(ledger, 1, 500n)
  const test = await openTestGraphql(ledger)
  close = test.close
  const graphiql = createGraphiqlPage({ endpoint: '/graphql', title: 'Thesaurum', defaultQuery: '' })
  for (const fastPath of [true, false]) {
    const connections = createTestConnections()
    const options: HttpOptions = {
      log: silentRequestLog(),
      connections,
      ledger,
      graphql: test.graphql,
      metrics: createMetrics(ledger, test.auth),
      readiness: new Readiness(ledger),
      graphiql,
      fastPath,
      visitorOf: () => ({}),
      authenticate: () => OPERATOR,
      tokenHint: () => '',
      admit: () => {},
      onError: () => {},
      allowedOrigins: ['https://app.example.com'],
      bodyBytesMax: 64 * 1024,
      keepAliveMs: 75_000,
      maskError,
      isProduction: false,
    }
    const server = createHttpServer(options)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    servers.push(server)
  }
})
afterAll(async () => {
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
  await close()
  await ledger.close()
})

interface Sent {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string | Buffer
  chunked?: boolean
}

/** Status, headers and body, but for what names the moment and the port. */
async function answerOf(server: Server, { method = 'POST', path = '/graphql', headers = {}, body, chunked }: Sent) {
  const { port } = server.address() as AddressInfo
  const request = httpRequest({
    port,
    method,
    path,
    headers: { host: 'ledger.example', connection: 'close', 'x-request-id': 'the-same', ...headers },
  })
  if (body !== undefined && !chunked) request.setHeader('content-length', Buffer.byteLength(body))
  if (chunked) request.setHeader('transfer-encoding', 'chunked')
  request.on('error', () => {})
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const { date: _, ...told } = response.headers
  return { status: response.statusCode, reason: response.statusMessage, headers: told, body: await text(response) }
}

const JSON_IN = { 'content-type': 'application/json' }
const json = (body: unknown, headers: Record<string, string> = {}): Sent => ({
  headers: { ...JSON_IN, ...headers },
  body: JSON.stringify(body),
})
const QUERY = '{ ledger { userCount } }'
const accept = (type: string, body: unknown = { query: QUERY }) => json(body, { accept: type })

const ACCEPTS = [
  '*/*',
  'application/json',
  'application/graphql-response+json',
  // Apollo Client, urql, Relay's usual fetch, curl, browsers, graphql-request.
  'application/graphql-response+json,application/json;q=0.9',
  'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed',
  'application/json, multipart/mixed',
  'application/json; charset=utf-8, application/graphql-response+json; charset=utf-8',
  'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'application/json;charset=latin1',
  'application/*',
  '*/json',
  'image/png',
  'APPLICATION/JSON',
  'text/event-stream',
  'multipart/mixed;deferSpec=20220824, application/json',
  '',
]

const REQUESTS: readonly (readonly [name: string, sent: () => Sent])[] = [
  ...ACCEPTS.map((type) => [`accepts "${type}"`, () => accept(type)] as const),
  ...ACCEPTS.map((type) => [`accepts "${type}", and is wrong`, () => accept(type, { query: '{ nothing }' })] as const),
  ['no accept header', () => json({ query: QUERY })],
  [
    'variables',
    () =>
      json({ query: 'query ($id: ID!) { account(id: $id) { id balance { amount } } }', variables: { id: account } }),
  ],
  [
    'variables that are wrong',
    () => json({ query: 'query ($id: ID!) { user(id: $id) { id } }', variables: { id: 5.5 } }),
  ],
  ['variables that are missing', () => json({ query: 'query ($id: ID!) { user(id: $id) { id } }' })],
  ['variables that are null', () => json({ query: QUERY, variables: null, operationName: null, extensions: null })],
  ['variables that are a text', () => json({ query: QUERY, variables: '{}' })],
  ['variables that are a list', () => json({ query: QUERY, variables: [] })],
  ['an operation by name', () => json({ query: `query A ${QUERY} query B { __typename }`, operationName: 'B' })],
  ['an operation that is not there', () => json({ query: `query A ${QUERY}`, operationName: 'C' })],
  ['an operation name that is a number', () => json({ query: QUERY, operationName: 5 })],
  ['an empty operation name', () => json({ query: `query A ${QUERY}`, operationName: '' })],
  ['an empty operation name for two', () => json({ query: `query A ${QUERY} query B ${QUERY}`, operationName: '' })],
  ['two operations and no name', () => json({ query: `query A ${QUERY} query B ${QUERY}` })],
  ['a syntax error', () => json({ query: '{ ledger {' })],
  ['an empty query', () => json({ query: '' })],
  ['a query that is no text', () => json({ query: 5 })],
  ['no query', () => json({})],
  ['a parameter that nobody knows', () => json({ query: QUERY, strange: 1 })],
  ['extensions', () => json({ query: QUERY, extensions: { a: 1 } })],
  ['a persisted query of Apollo', () => json({ extensions: { persistedQuery: { version: 1, sha256Hash: 'a' } } })],
  ['bad input to a field', () => json({ query: '{ user(id: "no") { id } }' })],
  ['a null in place of a field that failed', () => json({ query: '{ a: ledger { userCount } b: user { id } }' })],
  [
    'a refusal that is typed',
    () =>
      json({
        query: `mutation { transfer(input: { idempotencyKey: "018f0000-0000-4000-8000-000000000001", sourceAccountId: "${account}", destinationAccountId: "${account}", amount: 1 }) { __typename ... on Error { code message } } }`,
      }),
  ],
  ['words of the world', () => json({ query: '{ user(email: "ада🙂@example.com") { id } }' })],
  ['bytes that are no UTF-8', () => ({ headers: JSON_IN, body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) })],
  ['a byte order mark', () => ({ headers: JSON_IN, body: `\ufeff${JSON.stringify({ query: QUERY })}` })],
  ['chunks', () => ({ ...json({ query: QUERY }), chunked: true })],
  ['chunks, too many', () => ({ ...json({ query: QUERY, variables: { a: 'a'.repeat(70_000) } }), chunked: true })],
  ['a body that is too large', () => json({ query: QUERY, variables: { a: 'a'.repeat(70_000) } })],
  ['a large body', () => json({ query: QUERY, variables: { a: 'a'.repeat(60_000) } })],
  ['a batch', () => json([{ query: QUERY }, { query: QUERY }])],
  ['a batch of none', () => json([])],
  ['null', () => json(null)],
  ['no body', () => ({ headers: JSON_IN, body: '' })],
  ['garbage', () => ({ headers: JSON_IN, body: '{"query": ' })],
  [
    'another charset',
    () => ({ ...json({ query: QUERY }), headers: { 'content-type': 'application/json; charset=latin1' } }),
  ],
  [
    'the content type in capitals',
    () => ({ ...json({ query: QUERY }), headers: { 'content-type': 'APPLICATION/JSON' } }),
  ],
  ['no content type', () => ({ body: JSON.stringify({ query: QUERY }) })],
  ['a text', () => ({ headers: { 'content-type': 'text/plain' }, body: QUERY })],
  ['a form', () => ({ headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `query=${QUERY}` })],
  [
    'the charset UTF-8 in quotes',
    () => json({ query: QUERY }, { 'content-type': 'application/json; charset="UTF-8"' }),
  ],
  ['the coding identity', () => json({ query: QUERY }, { 'content-encoding': 'identity' })],
  [
    'text in Latin-1',
    () => ({ headers: JSON_IN, body: Buffer.from('{"query":"{ user(email: "josé@a.b") { id } }"}', 'latin1') }),
  ],
  [
    'half a surrogate pair',
    () => ({ headers: JSON_IN, body: '{"query":"{ user(email: \\"\\ud800@a.b\\") { id } }"}' }),
  ],
  ['compressed', () => json({ query: QUERY }, { 'content-encoding': 'gzip' })],
  ['a page of the allow-list', () => json({ query: QUERY }, { origin: 'https://app.example.com' })],
  ['a page that is not on it', () => json({ query: QUERY }, { origin: 'https://evil.example' })],
  ['a query string beside it', () => ({ ...json({ query: QUERY }), path: '/graphql?query={__typename}' })],
  ['introspection', () => json({ query: '{ __schema { queryType { name } } }' })],
  ['too deep', () => json({ query: `${'{ account(id: "a") { balance '.repeat(20)}{ amount }${'}}'.repeat(20)}` })],
  ['an unknown directive', () => json({ query: '{ ledger @defer { userCount } }' })],
  ['the word subscription in a text', () => json({ query: '{ user(email: "subscription@example.com") { id } }' })],
  [
    'a subscription',
    () => accept('application/json', { query: `subscription { entryPosted(accountId: "${account}") { id } }` }),
  ],
  [
    'GET',
    () => ({
      method: 'GET',
      path: `/graphql?query=${encodeURIComponent(QUERY)}`,
      headers: { accept: 'application/json' },
    }),
  ],
  [
    'a mutation by GET',
    () => ({ method: 'GET', path: `/graphql?query=${encodeURIComponent('mutation { logout { __typename } }')}` }),
  ],
  [
    'OPTIONS',
    () => ({
      method: 'OPTIONS',
      headers: { origin: 'https://app.example.com', 'access-control-request-method': 'POST' },
    }),
  ],
  ['PUT', () => ({ ...json({ query: QUERY }), method: 'PUT' })],
]

test.each(REQUESTS)('%s', async (_name, sent) => {
  const [withFastPath, without] = await Promise.all(servers.map((server) => answerOf(server, sent())))
  expect(withFastPath).toEqual(without)
})
