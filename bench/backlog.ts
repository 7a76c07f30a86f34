import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createClient } from 'graphql-ws'
import pg from 'pg'
import { WebSocket } from 'ws'
import { fillBacklog, makeBacklogAccounts } from './backlog-fill.ts'
import { startServe } from './child.ts'
import { openBenchServer } from './database.ts'
import { median, percentile } from './measure.ts'
import { makeToken } from './token.ts'

/*
 * A subscriber that was away: of the whole ledger, some million transactions behind, and of one account from its first
 * entry. How long the first event takes, whether every account comes in its order, how fast the rest comes, and what
 * deposits of others take meanwhile. The ledger is filled by SQL: half in one database transaction, half in as many as
 * an engine makes.
 */

const { values: options } = parseArgs({
  options: {
    transactions: { type: 'string', default: '1000000' },
    events: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '5' },
  },
})
const TRANSACTIONS = Number(options.transactions)
const EVENTS_MAX = Number(options.events)
const SLICE_MS = Number(options.seconds) * 1_000
/** Of a database transaction that an engine makes under load. */
const BATCH_ROWS = 33

const bench = await openBenchServer()
const url = await bench.createDatabase('bench_backlog')
const client = new pg.Client({ connectionString: url })
await client.connect()
const accounts = await makeBacklogAccounts(client)
const { child, address } = await startServe({ DATABASE_URL: url })
try {
  const headers = { authorization: `Bearer ${await makeToken(url)}`, 'content-type': 'application/json' }
  const ask = async (query: string, variables = {}) => {
    const response = await fetch(`http://${address}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    })
    // biome-ignore lint/suspicious/noExplicitAny: this file knows what it asks for
    return (await response.json()) as any
  }
  const { data: start } = await ask('{ ledger { cursor } }')
  const filledAt = performance.now()
  await fillBacklog(client, accounts, {
    transactions: TRANSACTIONS,
    inBatches: Math.ceil(TRANSACTIONS / 2),
    batchRows: BATCH_ROWS,
  })
  console.log(
    `PostgreSQL ${bench.version}, Node ${process.version}; ${TRANSACTIONS} transactions filled in ${Math.round((performance.now() - filledAt) / 1_000)} s`,
  )

  const DEPOSIT = 'mutation ($input: DepositInput!) { deposit(input: $input) { __typename } }'
  /** Deposits one after another for a while, and what each took. */
  async function post(ms: number): Promise<number[]> {
    const latencies: number[] = []
    for (const end = performance.now() + ms; performance.now() < end; ) {
      const sentAt = performance.now()
      const { data } = await ask(DEPOSIT, {
        input: { idempotencyKey: randomUUID(), accountId: accounts[latencies.length % 500], amount: 1 },
      })
      if (data.deposit.__typename !== 'DepositSuccess') throw new Error(JSON.stringify(data))
      latencies.push(performance.now() - sentAt)
      await sleep(5)
    }
    return latencies
  }
  const figures = (latencies: number[]) =>
    `p50 ${median(latencies).toFixed(1)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms`

  await post(2_000)
  console.log(`deposits alone: ${figures(await post(SLICE_MS))}`)

  async function catchUp(what: string, query: string, variables: object, onEvent: (event: never) => void) {
    const socket = createClient({
      url: `ws://${address}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: headers.authorization },
      lazy: false,
      retryAttempts: 0,
    })
    await new Promise<void>((resolve) => socket.on('connected', () => resolve()))
    const startedAt = performance.now()
    let count = 0
    let firstMs = 0
    const events = socket.iterate({ query, variables: { ...variables } })
    const reading = (async () => {
      for await (const { data, errors } of events) {
        if (errors) throw new Error(JSON.stringify(errors))
        firstMs ||= performance.now() - startedAt
        onEvent(data as never)
        if (++count >= EVENTS_MAX) break
      }
    })()
    const latencies = await post(SLICE_MS)
    const seconds = (performance.now() - startedAt) / 1_000
    const received = count
    await events.return?.()
    await reading
    await socket.dispose()
    console.log(
      `${what}: first event after ${firstMs.toFixed(0)} ms, ${Math.round(received / seconds)} events/s; deposits meanwhile: ${figures(latencies)}`,
    )
  }

  let lastSequence = 0
  await catchUp(
    'an account from its first entry',
    'subscription ($accountId: ID!, $since: String) { entryPosted(accountId: $accountId, since: $since) { sequence change balanceAfter } }',
    {
      accountId: accounts[0],
      since: await (async () => {
        const { data } = await ask(
          'query ($id: ID!) { account(id: $id) { transactions(last: 1) { edges { cursor } } } }',
          {
            id: accounts[0],
          },
        )
        return data.account.transactions.edges[0].cursor
      })(),
    },
    ({ entryPosted }: { entryPosted: { sequence: number } }) => {
      if (lastSequence && entryPosted.sequence !== lastSequence + 1) throw new Error('out of order')
      lastSequence = entryPosted.sequence
    },
  )
  const SUBSCRIPTION =
    'subscription ($since: String) { transactionPosted(since: $since) { cursor transaction { id source { id } destination { id } amount createdAt } } }'
  let cursor = start.ledger.cursor
  await catchUp(
    'the ledger, from one database transaction',
    SUBSCRIPTION,
    { since: cursor },
    ({ transactionPosted }: { transactionPosted: { cursor: string } }) => {
      cursor = transactionPosted.cursor
    },
  )
  await catchUp('the same, resumed', SUBSCRIPTION, { since: cursor }, () => {})
  console.log(`deposits alone: ${figures(await post(SLICE_MS))}`)
} finally {
  child.kill('SIGTERM')
  await once(child, 'exit')
  await client.end()
  await bench.close()
}
