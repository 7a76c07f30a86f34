import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openClient, openSocket } from '../support/graphql-transport.ts'
import { openProxy } from '../support/proxy.ts'
import { serverForTest, useServer } from '../support/server.ts'
import { askWith, isGood, logIn, lookInside, usePerson } from '../support/sign-in.ts'

const inside = lookInside()
const server = useServer()
const anna = usePerson(server)

test('a database that is away for a moment signs nobody out, and fails no request that comes meanwhile', async () => {
  const proxy = await openProxy(server.database.url)
  onTestFinished(() => proxy.close())
  const far = await serverForTest({}, { ...server.database, url: proxy.url })
  const token = await logIn(far, anna)
  const client = await openClient(far.socketEndpoint, { token })
  client.subscribe('watch', {
    query: 'subscription ($id: ID!) { entryPosted(accountId: $id) { change } }',
    variables: { id: anna.id },
  })
  await vi.waitFor(() => expect(inside.counts()).toMatchObject({ entries: 1 }))
  proxy.refuse(true)
  proxy.cutAll()
  const refusedBefore = proxy.refusedCount()
  const answers: Promise<{ status: number; challenge: string | null }>[] = []
  // Requests come while the server finds nobody, again and again.
  await vi.waitFor(
    () => {
      answers.push(askWith(far, token, '{ viewer { id } }'), askWith(far, far.token, '{ viewer { id } }'))
      expect(answers.length).toBeGreaterThan(10)
      expect(proxy.refusedCount() - refusedBefore).toBeGreaterThan(5)
    },
    { interval: 20 },
  )
  proxy.refuse(false)
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([200]))
  const deposited = await server.ask(
    `mutation ($key: UUID!, $id: ID!) { deposit(input: { idempotencyKey: $key, accountId: $id, amount: 7 }) { __typename } }`,
    { key: randomUUID(), id: anna.id },
  )
  expect(deposited.data.deposit.__typename).toBe('DepositSuccess')
  expect(await client.waitForMessage()).toMatchObject({ payload: { data: { entryPosted: { change: '7' } } } })
})

test('a database that is away for long is told as such to requests and to operations on sockets, none of which are signed out', async () => {
  const proxy = await openProxy(server.database.url)
  onTestFinished(() => proxy.close())
  const far = await serverForTest({}, { ...server.database, url: proxy.url })
  const token = await logIn(far, anna)
  const client = await openClient(far.socketEndpoint, { token })
  proxy.refuse(true)
  proxy.cutAll()
  const unavailable = { extensions: { code: 'UNAVAILABLE', retryable: true } }
  // What was known is believed for a moment longer.
  await vi.waitFor(
    async () => {
      const { status, errors } = await askWith(far, token, '{ viewer { id } }')
      expect(status).toBe(503)
      expect(errors).toMatchObject([unavailable])
    },
    { interval: 100 },
  )
  const late = await openSocket(far.socketEndpoint)
  late.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
  client.subscribe('me', { query: '{ viewer { id } }' })
  expect(await client.waitForMessage()).toMatchObject({ id: 'me', type: 'error', payload: [unavailable] })
  // After 4500 clients would give up.
  expect((await late.waitForClose()).code).toBe(1013)
  proxy.refuse(false)
  await vi.waitFor(async () => expect(await isGood(far, token)).toBe(true), { interval: 50 })
  client.subscribe('me again', { query: '{ viewer { id } }' })
  expect(await client.waitForMessage()).toMatchObject({
    id: 'me again',
    payload: { data: { viewer: { id: anna.id } } },
  })
})
