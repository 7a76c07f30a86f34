import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiToken } from '../../src/auth/api-tokens.ts'
import { toAccountId } from '../../src/db/ids.ts'
import { databaseOf } from '../../src/db/pool.ts'
import { makePerson } from '../support/sign-in.ts'
import { type CallerFigures, medianOf, startCallers } from './support/callers.ts'
import { type MeasuredServer, openMeasuredServer } from './support/measured-server.ts'

/*
 * One user posts alone, one transfer after another, while another one sends calls of a thousand transfers side by side. The
 * one alone has at most twice the latency as without the other. Phases with and without the other take turns.
 */

const PHASE_MS = 3_000
const ROUNDS = 3
/** Until the calls of a crowd have all arrived. */
const WARM_UP_MS = 1_500
const MIB = 2 ** 20

let server: MeasuredServer
let alone: string
let friend: string
let crowd: string
/** Whom the crowd pays. */
let stranger: string

beforeAll(async () => {
  server = await openMeasuredServer()
  const ask = (query: string, variables?: object) => server.ask(query, variables, server.token)
  const people = []
  for (let count = 0; count < 4; count++) people.push(await makePerson({ ask }, { password: null }))
  const ids = people.map(({ id }) => id.replace('user_', '')) as [string, string, string, string]
  ;[alone, friend, crowd, stranger] = ids
  const { data } = await ask('mutation ($input: DepositInput!) { deposit(input: $input) { __typename } }', {
    input: { idempotencyKey: '0b9ee2b5-6a2f-4f0c-9a57-0c5f2f6f3a01', accountId: alone, amount: 10 ** 9 },
  })
  expect(data).toEqual({ deposit: { __typename: 'DepositSuccess' } })
})
afterAll(() => server.close())

const tokenOf = async (accountId: string) => {
  const accountIds = [toAccountId(accountId)]
  const token = { name: 'fair shares', role: 'USER', accountIds, expiresAt: null, createdBy: null } as const
  return (await createApiToken(databaseOf(server.database.pool), token)).token
}

const transfer = (source: string, destination: string, amount: number) => ({
  idempotencyKey: 'KEY',
  sourceAccountId: source,
  destinationAccountId: destination,
  amount,
})
const ONE = `mutation ($input: TransferInput!) {
  transfer(input: $input) { __typename ... on TransferSuccess { transaction { id } } ... on Error { code } }
}`
const MANY = `mutation ($input: PostTransactionsInput!) {
  postTransactions(input: $input) {
    ... on PostTransactionsSuccess {
      results { ... on PostTransactionSuccess { transaction { id } } ... on InsufficientFundsError { available shortfall } ... on Error { code message } }
    }
    ... on Error { code message }
  }
}`
const thousand = (source: string, payee: string, atomic = false) =>
  JSON.stringify({
    query: MANY,
    variables: {
      input: {
        atomic,
        transactions: Array.from({ length: 1_000 }, () => ({ transfer: transfer(source, payee, 1_000) })),
      },
    },
  })

async function attack(name: string, body: string, parallel: number, expected: string) {
  const [aloneToken, crowdToken] = [await tokenOf(alone), await tokenOf(crowd)]
  const url = server.endpoint
  const single = startCallers({
    url,
    token: aloneToken,
    body: JSON.stringify({ query: ONE, variables: { input: transfer(alone, friend, 1) } }),
    parallel: 1,
    pauseMs: 2,
  })
  await sleep(WARM_UP_MS)
  await single.take()
  await server.measure()
  const health = server.probe()
  const quiet: CallerFigures[] = []
  const beside: CallerFigures[] = []
  const ofCrowd: CallerFigures[] = []
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(PHASE_MS)
    quiet.push(await single.take())
    const others = startCallers({ url, token: crowdToken, body, parallel, pauseMs: 0 })
    await sleep(WARM_UP_MS)
    await single.take()
    await sleep(PHASE_MS)
    beside.push(await single.take())
    ofCrowd.push(await others.stop())
    await single.take()
  }
  const probed = await health.stop()
  const measured = await server.measure()
  await single.stop()
  const p50 = (figures: readonly CallerFigures[]) => medianOf(figures.flatMap(({ latenciesMs }) => latenciesMs))
  const sum = (code: string) => ofCrowd.reduce((total, { answers }) => total + (answers[code] ?? 0), 0)
  const figures = {
    quietMs: p50(quiet),
    besideMs: p50(beside),
    ratio: p50(beside) / p50(quiet),
    stopMsMax: measured.stopMsMax,
    healthMsMax: probed.maxMs,
    crowd: { [expected]: sum(expected), OVERLOADED: sum('OVERLOADED') },
  }
  if (process.env.FIGURES) console.log(name, figures)
  for (const { answers, failures } of [...quiet, ...beside]) {
    expect(failures).toBe(0)
    expect(Object.keys(answers)).toEqual(['TransferSuccess'])
  }
  expect(sum(expected)).toBeGreaterThan(1_000)
  expect(figures.ratio).toBeLessThanOrEqual(2)
  expect(probed.failures).toBe(0)
  return measured
}

test.each([12, 40])('beside %i calls of a thousand refused transfers each', async (parallel) => {
  const before = await server.measure()
  await attack(`${parallel} × 1,000 refused`, thousand(crowd, stranger), parallel, 'INSUFFICIENT_FUNDS')
  await sleep(1_000)
  const after = await server.measure()
  expect(after.rssBytes - before.rssBytes).toBeLessThan(64 * MIB)
  expect(server.isRunning()).toBe(true)
})

// Postings to one account are judged one batch after another, so here the one alone also waits for the batch in flight.
test('beside 40 such calls to the account that the one alone pays', async () => {
  await attack('40 × 1,000 refused, one payee', thousand(crowd, friend), 40, 'INSUFFICIENT_FUNDS')
})

test('beside calls of a thousand transfers from an account that is not theirs', async () => {
  await attack('12 × 1,000 of others', thousand(friend, stranger), 12, 'ACCOUNT_NOT_FOUND')
})

test('beside single transfers that another one sends side by side', async () => {
  const body = JSON.stringify({ query: ONE, variables: { input: transfer(crowd, stranger, 1_000) } })
  await attack('100 single', body, 100, 'INSUFFICIENT_FUNDS')
})

test('beside cheap queries that another one sends side by side', async () => {
  await attack('100 queries', JSON.stringify({ query: '{ __typename }' }), 100, 'Query')
})

test('an operation keeps the event loop for less than 50 ms', async () => {
  const token = await tokenOf(crowd)
  const variables = JSON.parse(thousand(crowd, friend).replaceAll('KEY', () => crypto.randomUUID())).variables
  const stops: number[] = []
  for (let round = 0; round < 8; round++) {
    await server.measure()
    await server.ask(MANY, variables, token)
    stops.push((await server.measure()).stopMsMax)
  }
  if (process.env.FIGURES) console.log('stops of one call, in ms', stops)
  expect(medianOf(stops)).toBeLessThan(50)
})

test('failed attempts of one viewer are recorded up to the bound of an hour', async () => {
  const { rows } = await server.database.pool.query(
    'select count(*)::int as count from private.failed_transactions where source_account_id = $1 group by source_account_id',
    [crowd],
  )
  // One bound for each of the tokens above.
  expect(rows[0].count).toBeLessThanOrEqual(5_000)
})
