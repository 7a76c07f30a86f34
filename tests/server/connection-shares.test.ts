import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { CONNECTIONS_MIN } from '../../src/db/connection-shares.ts'
import type { TestDatabase } from '../support/database.ts'
import { databaseClock, type HeldSession, lockAccounts, untilBlocked } from '../support/faults.ts'
import { openClient, type SocketClient } from '../support/graphql-transport.ts'
import { type Answer, openTestServer, type TestServer } from '../support/server.ts'
import { logIn, makePerson, type Person } from '../support/sign-in.ts'

/* A server process with the fewest connections to the database does everything, and never has more than those. */

let server: TestServer
beforeAll(async () => {
  server = await openTestServer({
    DATABASE_CONNECTIONS_MAX: String(CONNECTIONS_MIN),
    OPERATION_DEADLINE_MS: '600000',
  })
})
afterAll(() => server.close())

/** Asks again as long as the server says that the same request may succeed later: queries may wait for a connection. */
async function ask(query: string, variables: Record<string, unknown> = {}): Promise<Answer['data']> {
  for (;;) {
    const { data, errors = [] } = await server.ask(query, variables)
    if (errors.every(({ extensions }) => extensions?.retryable)) {
      if (errors.length > 0) continue
      return data
    }
    throw new Error(JSON.stringify(errors))
  }
}

async function post(kind: 'deposit' | 'transfer', input: Record<string, unknown>): Promise<void> {
  const type = kind === 'deposit' ? 'DepositInput' : 'TransferInput'
  const data = await ask(
    `mutation ($input: ${type}!) { ${kind}(input: $input) { __typename ... on Error { code } } }`,
    { input: { idempotencyKey: randomUUID(), amount: 1, ...input } },
  )
  expect(data[kind].__typename).toMatch(/Success$/)
}

const transfer = (source: Person, destination: Person) =>
  post('transfer', { sourceAccountId: source.id, destinationAccountId: destination.id })

/** The server's connections. Its pools keep those that they opened for a minute. */
async function countConnections({ pool }: TestDatabase): Promise<number> {
  const { rows } = await pool.query(
    `select count(*)::int as count from pg_stat_activity
     where datname = current_database() and application_name like 'thesaurum%'`,
  )
  return rows[0].count
}
/** PostgreSQL needs a moment to end a session whose connection was thrown away. The pools keep theirs for longer. */
const ENDING_MS = 30_000

const uuidOf = ({ id }: Person) => id.replace(/^user_/, '')

async function readEverything(people: readonly Person[]): Promise<void> {
  const from = '2020-01-01T00:00:00Z'
  const asOf = await databaseClock(server.database)
  const data = await ask(
    `query ($ids: [ID!]!, $id: ID!, $from: DateTime!, $asOf: DateTime!) {
      now: balances(accountIds: $ids) { amount }
      then: balances(accountIds: $ids, asOf: $asOf) { amount }
      account(id: $id) {
        balanceHistory(from: $from, to: $asOf, bucket: MONTH) { closing }
        transactions(first: 10, filter: { amountMin: 1 }) { totalCount edges { cursor } }
      }
      transactions(first: 10) { edges { node { amount } } }
      failedTransactions(first: 10) { edges { node { code } } }
      ledger { verification { sound } }
    }`,
    { ids: people.map(({ id }) => id), id: people[0]?.id, from, asOf },
  )
  expect(data.ledger.verification.sound).toBe(true)
  expect(data.then).toHaveLength(people.length)
}

/** Waits until a subscription has delivered so many events. */
async function takeEvents(client: SocketClient, id: string, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken++) {
    expect(await client.waitForMessage()).toMatchObject({ type: 'next', id })
  }
}

test('the fewest connections are enough for everything at once, and there are never more', async () => {
  const people = await Promise.all(Array.from({ length: 8 }, () => makePerson(server)))
  const [payer, payee, ...others] = people as [Person, Person, ...Person[]]
  const [first, second, third] = others as [Person, Person, Person]
  for (const { id } of people) await post('deposit', { accountId: id, amount: 1_000 })

  const { account, ledger } = await ask(
    'query ($id: ID!) { account(id: $id) { balance { cursor } } ledger { cursor } }',
    {
      id: payee.id,
    },
  )
  const entries = await openClient(server.socketEndpoint)
  entries.subscribe('entries', {
    query: 'subscription ($id: ID!, $since: String!) { entryPosted(accountId: $id, since: $since) { sequence } }',
    variables: { id: payee.id, since: account.balance.cursor },
  })
  const transactions = await openClient(server.socketEndpoint)
  transactions.subscribe('transactions', {
    query: 'subscription ($since: String!) { transactionPosted(since: $since) { transaction { amount } } }',
    variables: { since: ledger.cursor },
  })

  const holders: HeldSession[] = []
  onTestFinished(async () => {
    for (const holder of holders) await holder.close()
  })
  for (const person of [first, second, third]) holders.push(await lockAccounts(server.database, uuidOf(person)))
  const stuck = [first, second, third].flatMap((person) => [transfer(person, payer), transfer(payer, person)])
  await untilBlocked(server.database)
  // While some accounts stay locked, everything else goes on.
  const free = people.filter((person) => ![first, second, third].includes(person))
  await Promise.all([
    ...Array.from({ length: 200 }, () => transfer(payer, payee)),
    ...Array.from({ length: 20 }, () => readEverything(free)),
    ...free.map((person) => logIn(server, person)),
    ...Array.from({ length: 50 }, () =>
      ask('mutation ($input: TransferInput!) { transfer(input: $input) { ... on Error { code } } }', {
        input: {
          idempotencyKey: randomUUID(),
          sourceAccountId: payee.id,
          destinationAccountId: payer.id,
          amount: 999_999,
        },
      }).then(({ transfer }) => expect(transfer.code).toBe('INSUFFICIENT_FUNDS')),
    ),
  ])
  for (const holder of holders) await holder.commit()
  await Promise.all(stuck)
  await readEverything(people)
  await takeEvents(entries, 'entries', 200)
  await takeEvents(transactions, 'transactions', 206)

  const connections = () => countConnections(server.database)
  await expect.poll(connections, { timeout: ENDING_MS }).toBeLessThanOrEqual(CONNECTIONS_MIN)
  expect(server.errorLines()).toEqual([])
})
