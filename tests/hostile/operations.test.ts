import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSession } from '../../src/auth/sessions.ts'
import { databaseOf } from '../../src/db/pool.ts'
import { Users } from '../../src/ledger/reading/users.ts'
import { type MeasuredServer, openMeasuredServer } from './support/measured-server.ts'

/* Operations that the limits let pass, made to hold the event loop up: everybody else waits for it. */

const STOP_MS_MAX = 50
const ENTRIES = 20_000
const USERS = 100

let server: MeasuredServer
let user: { id: string; token: string }

beforeAll(async () => {
  server = await openMeasuredServer()
  user = await signUp()
  const { pool } = server.database
  await pool.query(
    `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
     select gen_random_uuid(), gen_random_uuid(), $1, n, 1, timestamptz '2024-01-01Z' + n * interval '1 hour'
     from generate_series(1, ${ENTRIES}) n`,
    [user.id],
  )
  for (let index = 0; index < USERS; index++) {
    const { id } = await signUp()
    await pool.query(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       select gen_random_uuid(), gen_random_uuid(), $1, n, 1, timestamptz '2024-01-01Z' + n * interval '1 hour'
       from generate_series(1, 100) n`,
      [id],
    )
  }
  await pool.query('vacuum analyze')
})
afterAll(() => server.close())

async function signUp() {
  const database = databaseOf(server.database.pool)
  const made = await new Users(database).create({
    email: `${randomUUID()}@example.org`,
    passwordHash: null,
    role: 'USER',
  })
  if (!made) throw new Error('the e-mail address is taken')
  const { token } = await openSession(database, made.id, { idleTimeoutMs: 3_600_000, lifetimeMs: 3_600_000 })
  return { id: made.id, token }
}

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ')
const ZONES = Intl.supportedValuesOf('timeZone')

interface Operation {
  query: string
  variables?: object
  asOperator?: boolean
}

const invalid = () => ({
  transfer: { idempotencyKey: randomUUID(), sourceAccountId: 'x', destinationAccountId: 'y', amount: -1 },
})
const refused = () => ({
  transfer: { idempotencyKey: randomUUID(), sourceAccountId: user.id, destinationAccountId: randomUUID(), amount: 1 },
})
const POST = (calls: number) =>
  `mutation ($input: PostTransactionsInput!) { ${times(calls, (i) => `a${i}: postTransactions(input: $input) { ... on Error { code message } ... on ValidationError { fields { path message } } }`)} }`

const OPERATIONS: Readonly<Record<string, () => Operation>> = {
  'histories over 82 years in many time zones': () => ({
    query: `{ viewer { account { ${times(25, (i) => `a${i}: balanceHistory(from: "1943-01-01T00:00:00Z", to: "2025-01-01T00:00:00Z", bucket: MONTH, timeZone: "${ZONES[i * 7]}") { start }`)} } } }`,
  }),
  'histories over a thousand years': () => ({
    query: `{ viewer { account { ${times(40, (i) => `a${i}: balanceHistory(from: "0001-01-01T00:00:00Z", to: "2025-01-01T00:00:00Z", bucket: MONTH, timeZone: "${ZONES[i * 7 + 1]}") { start }`)} } } }`,
  }),
  'histories of a thousand hours': () => ({
    query: `{ viewer { account { ${times(44, (i) => `a${i}: balanceHistory(from: "2024-01-01T00:00:00Z", to: "2024-02-11T00:00:00Z", bucket: HOUR, timeZone: "${ZONES[i * 7 + 2]}") { start }`)} } } }`,
  }),
  'one history in full': () => ({
    query: `{ viewer { account { ${times(4, (i) => `a${i}: balanceHistory(from: "2024-01-01T00:00:00Z", to: "2024-02-11T00:00:00Z", bucket: HOUR, timeZone: "${ZONES[i * 7 + 3]}") { start end opening closing lowest highest credited debited entryCount complete }`)} } } }`,
  }),
  '45 calls of 1,000 invalid postings': () => ({
    query: POST(45).replaceAll(/\{ \.\.\. on Error .*?\} \} \}/g, '{ __typename }'),
    variables: { input: { atomic: false, transactions: Array.from({ length: 1_000 }, invalid) } },
  }),
  '2 calls of 1,000 invalid postings': () => ({
    query: POST(2),
    variables: { input: { atomic: false, transactions: Array.from({ length: 1_000 }, invalid) } },
  }),
  'one call of 1,000 refused postings': () => ({
    query: `mutation ($input: PostTransactionsInput!) { postTransactions(input: $input) { ... on PostTransactionsSuccess { results { ... on Error { code message retryable } ... on AccountNotFoundError { accountId } } } } }`,
    variables: { input: { atomic: false, transactions: Array.from({ length: 1_000 }, refused) } },
  }),
  'lists of ids that are none': () => ({
    query: `query ($ids: [ID!]!) { ${times(100, (i) => `a${i}: nodes(ids: $ids) { id }`)} }`,
    variables: { ids: Array(100).fill('x') },
  }),
  'balances of ids that are none': () => ({
    query: `query ($ids: [ID!]!) { ${times(100, (i) => `a${i}: balances(accountIds: $ids) { amount }`)} }`,
    variables: { ids: Array(100).fill('x') },
  }),
  'lists of accounts that are not there': () => ({
    query: `query ($ids: [ID!]!) { ${times(100, (i) => `a${i}: nodes(ids: $ids) { id }`)} }`,
    variables: { ids: Array.from({ length: 100 }, () => `account_${randomUUID()}`) },
  }),
  'one balance, thousands of times': () => ({
    query: `query ($ids: [ID!]!) { ${times(100, (i) => `a${i}: balances(accountIds: $ids) { amount }`)} }`,
    variables: { ids: Array(100).fill(user.id) },
  }),
  'one balance at thousands of moments': () => ({
    query: `query ($ids: [ID!]!) { ${times(22, (i) => `a${i}: balances(accountIds: $ids, asOf: "2024-02-01T00:00:${10 + i}Z") { amount }`)} }`,
    variables: { ids: Array(100).fill(user.id) },
  }),
  'balances of many, for an operator': () => ({
    query: `{ ${times(50, (i) => `a${i}: accounts(first: 100) { edges { node { balance { amount asOf } } } }`)} }`,
    asOperator: true,
  }),
  'many wrong cursors': () => ({
    query: `{ viewer { account { ${times(95, (i) => `a${i}: transactions(after: "x${i}") { edges { sequence } }`)} } } }`,
  }),
  'variables of 20,000 wrong values': () => ({
    query: 'query ($ids: [ID!]!) { balances(accountIds: $ids) { amount } }',
    variables: { ids: Array(19_900).fill({}) },
  }),
  'long pages': () => ({
    query: `{ viewer { account { ${times(40, (i) => `a${i}: transactions(first: 100) { edges { cursor sequence change balanceAfter createdAt node { id amount } } }`)} } } }`,
  }),
  'pages of all accounts, for an operator': () => ({
    query: `{ accounts(first: 100) { edges { node { id owner { email } balance { amount asOf } transactions(first: 100) { edges { cursor sequence change balanceAfter createdAt node { id amount kind createdAt destination { id } } } } } } } }`,
    asOperator: true,
  }),
}

test.each(Object.keys(OPERATIONS))('no operation holds the event loop up: %s', async (name) => {
  const operation = OPERATIONS[name] as () => Operation
  for (let round = 0; round < 2; round++) {
    const { query, variables, asOperator } = operation()
    const body = JSON.stringify({ query: `${query} # ${round}`, variables })
    await server.measure()
    const response = await fetch(server.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${asOperator ? server.token : user.token}`,
      },
      body,
    })
    const text = await response.text()
    const { stopMsMax, cpuMs } = await server.measure()
    const figures = `${name}: stop ${stopMsMax.toFixed(0)} ms, cpu ${cpuMs.toFixed(0)} ms, ${body.length} bytes in, ${text.length} bytes out: ${text.slice(0, 150)}`
    if (process.env.FIGURES) console.log(figures)
    expect(stopMsMax, figures).toBeLessThan(STOP_MS_MAX)
  }
})
