import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestServer, type TestServer } from '../support/server.ts'
import { type Asked, TRANSPORTS } from '../support/transports.ts'

/* The errors of documents have the same codes on every transport. */

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
afterAll(() => server.close())

const CASES: readonly [code: string, asked: Asked][] = [
  ['GRAPHQL_PARSE_FAILED', { query: '{ ledger {' }],
  ['GRAPHQL_VALIDATION_FAILED', { query: '{ ledger { profit } }' }],
  ['OPERATION_RESOLUTION_FAILURE', { query: 'query A { __typename }', operationName: 'B' }],
  ['OPERATION_RESOLUTION_FAILURE', { query: 'query A { __typename } query B { __typename }' }],
  ['BAD_REQUEST', { query: `{ ${Array.from({ length: 101 }, (_, at) => `a${at}: __typename`).join(' ')} }` }],
]

describe.each(TRANSPORTS)('over $transport', ({ transport, ask }) => {
  test.each(CASES)('%s: %o', async (code, asked) => {
    // A document of its own: errors are kept for documents that are sent again, and Yoga adds to them over HTTP.
    const { data, errors } = await ask(server, { ...asked, query: `${asked.query} # ${transport}` })
    expect([data, errors?.map(({ extensions }) => extensions)]).toEqual([undefined, [{ code }]])
  })
})
