import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { GraphqlServer } from '../../src/server/graphql/yoga.ts'
import { openTestGraphql } from '../support/graphql.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger
let graphql: GraphqlServer
let query: string
let closeAuth: () => Promise<void>
const present = () => ledger.feed.subscriberCount

beforeAll(async () => {
  ledger = await openTestLedger()
  const [accountId] = await makeAccounts(ledger, 1)
  query = `subscription { entryPosted(accountId: "${accountId}") { id } }`
  const test = await openTestGraphql(ledger)
  graphql = test.graphql
  closeAuth = test.close
})

afterAll(async () => {
  await closeAuth()
  await ledger.close()
})

const subscribe = (accept: string) =>
  graphql.fetch('http://localhost/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ query }),
  })

test.each(['application/json', 'application/graphql-response+json', 'image/png'])(
  'a subscription over POST by a client that accepts %s alone is refused, and leaves no subscriber behind',
  async (accept) => {
    const joins = vi.spyOn(ledger.feed, 'subscribe')
    expect((await subscribe(accept)).status).toBe(406)
    expect(joins).toHaveBeenCalledTimes(1)
    joins.mockRestore()
    await vi.waitFor(() => expect(present()).toBe(0))
  },
)

test('a subscriber to server-sent events stays until it leaves', async () => {
  const response = await subscribe('text/event-stream')
  expect([response.status, present()]).toEqual([200, 1])
  const reader = response.body?.getReader()
  await reader?.read()
  await reader?.cancel()
  await vi.waitFor(() => expect(present()).toBe(0))
})
