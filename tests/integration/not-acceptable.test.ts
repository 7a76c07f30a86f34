import { pino } from 'pino'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createGraphql, type GraphqlServer } from '../../src/server/graphql.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger
let graphql: GraphqlServer
let query: string
/** Subscribers that joined the feed and have not left it. */
let present = 0
let joined = 0

beforeAll(async () => {
  ledger = await openTestLedger()
  const [accountId] = await makeAccounts(ledger, 1)
  query = `subscription { entryPosted(userId: "${accountId}") { id } }`
  const feed: TestLedger['feed'] = {
    ...ledger.feed,
    subscribe(...parameters) {
      const subscriber = ledger.feed.subscribe(...parameters)
      const leave = subscriber.return?.bind(subscriber)
      joined++
      present++
      subscriber.return = () => {
        present--
        return leave?.() ?? Promise.resolve({ done: true, value: undefined })
      }
      return subscriber
    },
  }
  graphql = createGraphql({ ...ledger, feed }, pino({ level: 'silent' }), { tellsStatements: false })
})

afterAll(() => ledger.close())

const subscribe = (accept: string) =>
  graphql.fetch('http://localhost/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ query }),
  })

test.each(['application/json', 'application/graphql-response+json', 'image/png'])(
  'a subscription over POST by a client that accepts %s alone is refused, and leaves no subscriber behind',
  async (accept) => {
    const before = joined
    expect((await subscribe(accept)).status).toBe(406)
    expect(joined).toBe(before + 1)
    await vi.waitFor(() => expect(present).toBe(0))
  },
)

test('a subscriber to server-sent events stays until it leaves', async () => {
  const response = await subscribe('text/event-stream')
  expect([response.status, present]).toEqual([200, 1])
  const reader = response.body?.getReader()
  await reader?.read()
  await reader?.cancel()
  await vi.waitFor(() => expect(present).toBe(0))
})
