import { randomUUID } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { renameColumns } from '../support/faults.ts'
import { openClient } from '../support/graphql-transport.ts'
import { type Answer, serverForTest, type TestServer } from '../support/server.ts'

/* A newer version has migrated the database while this one serves: nothing is posted until it is replaced. */

const UNAVAILABLE = {
  message: 'The ledger could not answer. Try again later.',
  extensions: { code: 'UNAVAILABLE', retryable: true },
}

async function makeUser(server: TestServer, name: string): Promise<string> {
  const { data } = await server.ask(
    `mutation { createUser(input: { email: "${name}@example.com" }) { ... on CreateUserSuccess { user { id } } } }`,
  )
  return data.createUser.user.id
}

const depositTo = (accountId: string, key = randomUUID()) =>
  `deposit(input: { idempotencyKey: "${key}", accountId: "${accountId}", amount: 5 }) {
    ... on DepositSuccess { replayed } ... on Error { code } }`

async function isReady(server: TestServer): Promise<unknown> {
  const response = await fetch(`${server.address}/readyz`)
  return response.json()
}

async function metricsOf({ address, authorization }: TestServer): Promise<string> {
  const response = await fetch(`${address}/metrics`, { headers: authorization })
  return response.text()
}

test('while the schema is newer than the server, it posts and records nothing, is not ready, and says so once', async () => {
  const server = await serverForTest()
  const [ada, grace] = [await makeUser(server, 'ada'), await makeUser(server, 'grace')]
  await server.ask(`mutation { ${depositTo(ada)} }`)
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: `subscription { entryPosted(accountId: "${ada}") { sequence } }` })
  await vi.waitFor(async () => expect(await metricsOf(server)).toMatch(/^thesaurum_account_subscribers 1$/m))
  const { pool } = server.database

  const restore = await renameColumns(server.database)
  const key = randomUUID()
  const operations = {
    deposit: `mutation { ${depositTo(ada, key)} }`,
    transfer: `mutation { transfer(input: { idempotencyKey: "${randomUUID()}", sourceAccountId: "${ada}",
      destinationAccountId: "${grace}", amount: 1 }) { __typename } }`,
    postTransactions: `mutation { postTransactions(input: { atomic: true, transactions: [
      { deposit: { idempotencyKey: "${randomUUID()}", accountId: "${ada}", amount: 5 } }
      { deposit: { idempotencyKey: "${randomUUID()}", accountId: "${grace}", amount: 5 } }] }) { __typename } }`,
    account: `{ account(id: "${ada}") { balance { amount } } }`,
    transactions: '{ transactions(first: 1) { edges { node { amount } } } }',
  }
  const answers: [string, Answer][] = []
  for (let round = 0; round < 3; round++) {
    for (const [name, operation] of Object.entries(operations)) answers.push([name, await server.ask(operation)])
  }
  for (const [name, { errors }] of answers) expect([name, errors]).toMatchObject([name, [UNAVAILABLE]])
  await vi.waitFor(async () => expect(await isReady(server)).toEqual({ status: 'unavailable', failing: 'migrations' }))
  expect(await metricsOf(server)).toMatch(/^thesaurum_postings_total\{kind="DEPOSIT",outcome="UNAVAILABLE"\} 9$/m)
  expect(server.errorLines().map((line) => JSON.parse(line))).toMatchObject([
    { level: 50, msg: expect.stringMatching(/^the database lacks .* start that version in place of this one$/) },
  ])

  await restore()
  await vi.waitFor(async () => expect(await isReady(server)).toEqual({ status: 'ok' }))
  expect((await server.ask(operations.deposit)).data).toEqual({ deposit: { replayed: false } })
  expect(await client.waitForMessage()).toMatchObject({
    id: 'watch',
    payload: { data: { entryPosted: { sequence: 2 } } },
  })
  const { rows } = await pool.query('select count(*)::int as count from private.failed_transactions')
  expect(rows).toEqual([{ count: 0 }])
  const { data } = await server.ask('{ ledger { transactionCount verification { sound } } }')
  expect(data.ledger).toEqual({ transactionCount: 2, verification: { sound: true } })
})
