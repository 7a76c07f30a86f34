import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authorizationFor } from '../support/operator.ts'
import { PRODUCTION } from '../support/production.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/** These four ask for `__type`, to have a field with a variable: they can tell nothing of a server without introspection. */
const ASKING_FOR_THE_SCHEMA = ['28B9', '2EA1', 'D6D5', '6A70']

describe.each([
  { name: 'with NODE_ENV test', environment: {}, introspects: true },
  {
    name: 'in production with INTROSPECTION on',
    environment: { ...PRODUCTION, INTROSPECTION: 'on' },
    introspects: true,
  },
  { name: 'in production', environment: PRODUCTION, introspects: false },
])('the audits of GraphQL over HTTP $name', ({ environment, introspects }) => {
  let server: TestServer
  beforeAll(async () => {
    server = await openTestServer(environment)
  })
  afterAll(() => server.close())

  const auditsWith = (headersFor: (endpoint: string) => Record<string, string>) =>
    serverAudits({
      url: () => server.endpoint,
      fetchFn: (url: string, init: RequestInit = {}) =>
        fetch(url, { ...init, headers: { ...headersFor(server.endpoint), ...(init.headers as object) } }),
    })
  const ofStrangers = auditsWith(() => ({}))
  const ofOperators = auditsWith(authorizationFor)

  test('are 61, for strangers and for operators', () => {
    expect([ofStrangers.length, ofOperators.length]).toEqual([61, 61])
  })

  const pass = async (id: string, fn: (typeof ofStrangers)[number]['fn']) => {
    const { status, ...told } = await fn()
    const isRefused = !introspects && ASKING_FOR_THE_SCHEMA.includes(id)
    if (isRefused) expect(status).not.toBe('ok')
    // Neither a warning nor a notice: every SHOULD and MAY as well.
    else expect(status, JSON.stringify(told)).toBe('ok')
  }
  test.each(ofStrangers)('$id: $name', ({ id, fn }) => pass(id, fn))
  test.each(ofOperators)('for an operator, $id: $name', ({ id, fn }) => pass(id, fn))
})
