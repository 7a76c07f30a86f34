import { expect, test } from 'vitest'
import { fillBacklog, makeBacklogAccounts } from '../../bench/backlog-fill.ts'
import { openClient } from '../support/graphql-transport.ts'
import { openMeasuredServer } from './support/measured-server.ts'

/*
 * A ledger subscriber that is far behind gets its first event soon, and then the rest in order. `BACKLOG=10000000` has it ten
 * million transactions behind, which takes some minutes to fill.
 */

const BACKLOG = Number(process.env.BACKLOG ?? 300_000)
const FIRST_EVENT_MS_MAX = 200
const EVENTS = 3_000
/** Of which the filling takes most. */
const TEST_MS_MAX = 120_000 + BACKLOG / 10

test(
  `a ledger subscriber that is ${BACKLOG} transactions behind has its first event within 200 ms, and all in order`,
  async () => {
    const server = await openMeasuredServer()
    const filler = await server.database.pool.connect()
    const accounts = await makeBacklogAccounts(filler)
    const { data } = await server.ask('{ ledger { cursor } }', {}, server.token)
    let since: string = data.ledger.cursor
    await fillBacklog(filler, accounts, { transactions: BACKLOG, inBatches: 20_000, batchRows: 50 })
    filler.release()

    const health = server.probe('/livez')
    const subscribe = async () => {
      const client = await openClient(server.socketEndpoint, { token: server.token })
      const startedAt = performance.now()
      client.subscribe('watch', {
        query:
          'subscription ($since: String) { transactionPosted(since: $since) { cursor transaction { createdAt } } }',
        variables: { since },
      })
      const first = (await client.waitForMessage()).payload.data.transactionPosted
      return { client, first, firstMs: performance.now() - startedAt }
    }
    const { client, first, firstMs } = await subscribe()
    expect(firstMs).toBeLessThan(FIRST_EVENT_MS_MAX)
    let last: string = first.transaction.createdAt
    for (let count = 1; count < EVENTS; count++) {
      const { cursor, transaction } = (await client.waitForMessage()).payload.data.transactionPosted
      expect(Date.parse(transaction.createdAt) - Date.parse(last)).toBe(1)
      last = transaction.createdAt
      since = cursor
    }
    client.webSocket.close()
    const resumed = await subscribe()
    expect(resumed.firstMs).toBeLessThan(FIRST_EVENT_MS_MAX)
    expect(Date.parse(resumed.first.transaction.createdAt) - Date.parse(last)).toBe(1)
    resumed.client.webSocket.close()
    expect(await health.stop()).toMatchObject({ failures: 0 })
    await server.close()
  },
  TEST_MS_MAX,
)
