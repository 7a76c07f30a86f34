import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { runCommand } from '../support/command-line.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { OPERATOR_TOKENS } from '../support/operator.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/* Subscribers that are cut again and again, on either side, and resume through whichever server is there. */

let database: TestDatabase
const servers: TestServer[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  servers.push(await openTestServer({}, database), await openTestServer({}, database))
})
afterAll(async () => {
  for (const server of servers) await server.close()
  await database.close()
})

const ENTRIES = 1_000
const CUTS = 50
const RESTARTS = 8

const WATCH_ENTRIES = `subscription ($accountId: ID!, $since: String) {
  event: entryPosted(accountId: $accountId, since: $since) { cursor sequence balanceAfter } }`
const WATCH_LEDGER =
  'subscription ($since: String) { event: transactionPosted(since: $since) { cursor transaction { id } } }'

async function createUser(): Promise<{ id: string; cursor: string }> {
  const { data } = await (servers[0] as TestServer).ask(
    `mutation { createUser(input: { email: "${randomUUID()}@example.com" }) { ... on CreateUserSuccess { user { account { id balance { cursor } } } } } }`,
  )
  const { id, balance } = data.createUser.user.account
  return { id, cursor: balance.cursor }
}

/** Posts so many deposits through both servers, in bulk, one after another; `pace` may hold it up, by how many there are. */
async function postEntries(
  accountId: string,
  count: number,
  pace: (posted: number) => Promise<unknown> = async () => {},
): Promise<void> {
  const query = `mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) {
    ... on PostTransactionsSuccess { results { ... on PostTransactionSuccess { replayed } ... on Error { code } } } ... on Error { code } } }`
  for (let posted = 0; posted < count; posted += 10) {
    await pace(posted)
    const transactions = Array.from({ length: 10 }, () => ({
      deposit: { idempotencyKey: randomUUID(), accountId, amount: 1 },
    }))
    // A server may be away just now: sent again with the same keys.
    for (let at = posted / 10; ; at++) {
      const server = servers[at % 2] as TestServer
      const answer = await server.ask(query, { input: { atomic: true, transactions } }).catch(() => undefined)
      if (answer?.data?.postTransactions?.results) break
    }
  }
}

interface Event {
  cursor: string
  sequence?: number
  transaction?: { id: string }
}

/** Takes events until there are so many, over socket and event stream in turn, and hangs up after some of them. */
async function collect(query: string, variables: Record<string, unknown>, since: string, total: number) {
  const events: Event[] = []
  let cuts = 0
  for (let turn = 0; events.length < total; turn++) {
    const server = servers[turn % 2] as TestServer
    const operation = { query, variables: { ...variables, since: events.at(-1)?.cursor ?? since } }
    // Cut by the client after so many, or by the server whenever it goes away.
    const patience = Math.ceil(total / CUTS) - 5 + (turn % 11)
    try {
      if (turn % 3 === 2) {
        const stream = await openStream(server.endpoint, operation)
        for (let left = patience; left > 0 && events.length < total; left--) {
          const { data } = await stream.waitForEvent()
          if (data?.errors) throw new Error(JSON.stringify(data.errors))
          events.push(data?.data.event)
        }
        stream.abort()
      } else {
        const client = await openClient(server.socketEndpoint)
        client.subscribe('watch', operation)
        for (let left = patience; left > 0 && events.length < total; left--) {
          const { type, payload } = await client.waitForMessage()
          expect(type).toBe('next')
          expect(payload.errors).toBeUndefined()
          events.push(payload.data.event)
        }
        client.webSocket.terminate()
      }
    } catch (error) {
      // The server has gone: what was not taken is asked for again.
      if (
        !/closed|ECONN|fetch failed|hang up|terminated|Unexpected server response|socket|aborted|over/i.test(
          String(error),
        )
      )
        throw error
    }
    cuts++
  }
  return { events, cuts }
}

/** Closes one server and then the other, so many times, each to be back on another port. */
function restartServers(times: number) {
  let restarts = 0
  const done = (async () => {
    for (; restarts < times; restarts++) {
      const at = restarts % 2
      await servers[at]?.close()
      servers[at] = await openTestServer({}, database)
    }
  })()
  return { count: () => restarts, done }
}

test('an account is seen as 1 … n, and the ledger as all of it, by subscribers who are cut fifty times and more', async () => {
  const { id, cursor } = await createUser()
  const { data } = await (servers[0] as TestServer).ask('{ ledger { cursor } }')
  const reading = Promise.all([
    collect(WATCH_ENTRIES, { accountId: id }, cursor, ENTRIES),
    collect(WATCH_LEDGER, {}, data.ledger.cursor, ENTRIES),
  ])
  // The servers go away all the time while it is posted, and subscribers follow: neither is done before the other.
  const restarting = restartServers(RESTARTS)
  await postEntries(id, ENTRIES, (posted) =>
    vi.waitFor(() => expect(restarting.count()).toBeGreaterThanOrEqual(Math.floor((posted * RESTARTS) / ENTRIES)), {
      interval: 5,
    }),
  )
  await restarting.done
  const [account, ledger] = await reading
  expect(account.events.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: ENTRIES }, (_, index) => index + 1),
  )
  const { rows } = await database.pool.query('select id from transactions where destination_account_id = $1', [
    id.replace('account_', ''),
  ])
  expect(ledger.events.map(({ transaction }) => transaction?.id).sort()).toEqual(
    rows.map((row) => `transaction_${row.id}`).sort(),
  )
  for (const { cuts } of [account, ledger]) expect(cuts).toBeGreaterThanOrEqual(CUTS)
})

test('a subscriber resumes through another process when its own is killed', async () => {
  const { id, cursor } = await createUser()
  const start = async () => {
    const run = runCommand(['serve'], { DATABASE_URL: database.url, NODE_ENV: 'test', PORT: '0' })
    const [, address] = await run.waitFor(/ready at http:\/\/(\S+)\/graphql/)
    OPERATOR_TOKENS.set(address as string, (servers[0] as TestServer).token)
    return { run, endpoint: `ws://${address}/graphql` }
  }
  const processes = await Promise.all([start(), start()])
  const sequences: number[] = []
  let since = cursor
  for (const [at, { run, endpoint }] of processes.entries()) {
    const client = await openClient(endpoint)
    client.subscribe('watch', { query: WATCH_ENTRIES, variables: { accountId: id, since } })
    await postEntries(id, 30)
    while (sequences.length < 30 * (at + 1) - 5) {
      const { payload } = await client.waitForMessage()
      sequences.push(payload.data.event.sequence)
      since = payload.data.event.cursor
    }
    run.child.kill('SIGKILL')
    await client.waitForClose()
  }
  const client = await openClient((servers[0] as TestServer).socketEndpoint)
  client.subscribe('watch', { query: WATCH_ENTRIES, variables: { accountId: id, since } })
  while (sequences.length < 60) sequences.push((await client.waitForMessage()).payload.data.event.sequence)
  expect(sequences).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  onTestFinished(() => client.webSocket.terminate())
})
