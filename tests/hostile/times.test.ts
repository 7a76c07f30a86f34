import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { PRODUCTION } from '../support/production.ts'
import { isGood, logIn, makePerson, type Person, tryLogin } from '../support/sign-in.ts'
import { type MeasuredServer, openMeasuredServer } from './support/measured-server.ts'

/* Times that are promised, between servers of their own on one database. What happens is tested by `npm test`; here, how soon. */

const SECOND_MS = 1_000
const LOGOUT = 'mutation { logout { __typename } }'
const WATCH = 'subscription ($id: ID!) { entryPosted(accountId: $id) { sequence } }'
const environment = { ...PRODUCTION, TRUSTED_PROXY_COUNT: '1' }

let database: TestDatabase
let here: MeasuredServer
let there: MeasuredServer
let anna: Person

/** As an operator asks, or with other headers. */
const asking = ({ endpoint, token }: MeasuredServer) => ({
  endpoint,
  async ask(
    query: string,
    variables: object = {},
    headers: Record<string, string> = { authorization: `Bearer ${token}` },
  ) {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    })
    return response.json()
  },
})

beforeAll(async () => {
  database = await openTestDatabase()
  here = await openMeasuredServer({ environment, database })
  there = await openMeasuredServer({ environment, database })
  anna = await makePerson(asking(here))
})
afterAll(async () => {
  await here.close()
  await there.close()
  await database.close()
})

test('a session that is logged out of is over on another server within a second, and so are its subscriptions', async () => {
  const token = await logIn(asking(here), anna)
  const client = await openClient(there.socketEndpoint, { token })
  client.subscribe('watch', { query: WATCH, variables: { id: anna.id } })
  expect(await client.drain()).toEqual([])
  expect(await isGood(there, token)).toBe(true)
  const start = performance.now()
  await here.ask(LOGOUT, {}, token)
  const ended = client.waitForClose().then(() => performance.now() - start)
  await vi.waitFor(async () => expect(await isGood(there, token)).toBe(false), { interval: 10 })
  expect(performance.now() - start).toBeLessThan(SECOND_MS)
  expect(await ended).toBeLessThan(SECOND_MS)
})

test('a new account is usable through another server within a second, over HTTP and on a socket that is open', async () => {
  const token = await logIn(asking(here), anna)
  const client = await openClient(there.socketEndpoint, { token })
  const look = 'query ($id: ID!) { account(id: $id) { balance { amount } } }'
  let operations = 0
  const ways = [
    (id: string) => there.ask(look, { id }, token),
    async (id: string) => {
      client.subscribe(`${operations++}`, { query: look, variables: { id } })
      const { payload } = await client.waitForMessage()
      await client.waitForMessage()
      return payload
    },
  ]
  for (const ask of ways) {
    const main = (await ask(anna.id)) as { data: { account: unknown } }
    expect(main.data.account).not.toBeNull()
    const { data } = await asking(here).ask(
      `mutation ($key: UUID!, $owner: ID!) { createAccount(input: { idempotencyKey: $key, ownerId: $owner }) {
        ... on CreateAccountSuccess { account { id } } } }`,
      { key: crypto.randomUUID(), owner: anna.id },
    )
    const start = performance.now()
    await vi.waitFor(
      async () => {
        const { data: seen } = (await ask(data.createAccount.account.id)) as { data: { account: unknown } }
        expect(seen.account).toEqual({ balance: { amount: '0' } })
      },
      { interval: 10 },
    )
    expect(performance.now() - start).toBeLessThan(SECOND_MS)
  }
})

test('an entry posted through another server arrives within a second', async () => {
  const client = await openClient(there.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { id: anna.id } })
  expect(await client.drain()).toEqual([])
  const start = performance.now()
  await here.ask(
    'mutation ($key: UUID!, $id: ID!) { deposit(input: { idempotencyKey: $key, accountId: $id, amount: 1 }) { __typename } }',
    { key: crypto.randomUUID(), id: anna.id },
    here.token,
  )
  expect(await client.waitForMessage()).toMatchObject({ type: 'next' })
  expect(performance.now() - start).toBeLessThan(SECOND_MS)
})

test('a refused sign-in takes as long for a wrong password, an unknown address and a user without a password', async () => {
  const house = await makePerson(asking(here), { password: null })
  const times = new Map([anna.email, 'nobody.else@example.com', house.email].map((email) => [email, [] as number[]]))
  for (let round = 0; round < 12; round++) {
    for (const [email, list] of times) {
      const start = performance.now()
      await tryLogin(asking(here), email, 'a wrong password', `192.0.2.${round}`)
      list.push(performance.now() - start)
    }
  }
  const medians = [...times.values()].map((list) => list.sort((a, b) => a - b)[6] as number)
  expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(2)
})

test('a storm of sign-ins takes the memory of one hash at a time', async () => {
  const { peakRssBytes } = await here.measure()
  const attempts = Array.from({ length: 200 }, (_, index) =>
    tryLogin(asking(here), `storm.${index}@example.com`, 'a wrong password', `198.51.100.${index}`),
  )
  const codes = new Set((await Promise.all(attempts)).map(({ code }) => code))
  expect(codes).toContain('INVALID_CREDENTIALS')
  // One hash takes 19 MiB: all of them would be 3.8 GiB.
  expect((await here.measure()).peakRssBytes - peakRssBytes).toBeLessThan(150 * 2 ** 20)
})

test('a server stops within three seconds, whoever is connected', async () => {
  const server = await openMeasuredServer({ environment, database })
  onTestFinished(() => server.close())
  const { id } = await makePerson(asking(server))
  await openStream(server.endpoint, { query: WATCH, variables: { id } })
  const client = await openClient(server.socketEndpoint)
  // It never answers the close.
  client.webSocket.pause()
  const silent = connect(server.port, '127.0.0.1')
  const half = connect(server.port, '127.0.0.1')
  half.write('POST /graphql HTTP/1.1\r\nHost: lo')
  for (const socket of [silent, half]) socket.on('error', () => {})
  await Promise.all([once(silent, 'connect'), once(half, 'connect')])
  await server.ask('{ __typename }')
  const start = performance.now()
  server.child.kill('SIGTERM')
  await once(server.child, 'exit')
  expect(performance.now() - start).toBeLessThan(3 * SECOND_MS)
  expect(server.child.exitCode).toBe(0)
})
