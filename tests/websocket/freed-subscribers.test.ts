import { expect, test } from 'vitest'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { entryOn, useWatchedServer, WATCH } from '../support/watched-server.ts'

/* Whoever watches no more is not kept. */

const { server, subscriberCount, waitForSubscribers, createUser, deposit, balanceOf } = useWatchedServer()

test('a subscriber is freed when it says Complete, and hears nothing afterwards', async () => {
  const ada = await createUser()
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada } })
  await waitForSubscribers(1)
  client.send({ type: 'complete', id: 'watch' })
  await waitForSubscribers(0)
  await deposit(ada, 1)
  expect(await client.drain()).toEqual([])
  // The id is free again.
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: (await balanceOf(ada)).cursor } })
  await deposit(ada, 2)
  expect(await entryOn(client)).toMatchObject({ sequence: 2 })
})

test('a subscriber is freed when it says Complete before it was even subscribed', async () => {
  const ada = await createUser()
  const client = await openClient(server.socketEndpoint)
  for (let index = 0; index < 20; index++) {
    client.subscribe(`watch-${index}`, { query: WATCH, variables: { accountId: ada } })
    client.send({ type: 'complete', id: `watch-${index}` })
  }
  // An operation that comes later is answered, and the subscriptions before it are gone.
  client.subscribe('after', { query: 'query ($id: ID!) { account(id: $id) { id } }', variables: { id: ada } })
  expect(await client.waitForMessage()).toMatchObject({ id: 'after', payload: { data: { account: { id: ada } } } })
  await waitForSubscribers(0)
})

test('a subscriber is freed when its client is cut, in the middle of whatever', async () => {
  const ada = await createUser()
  const { cursor } = await balanceOf(ada)
  const clients = await Promise.all(Array.from({ length: 10 }, () => openClient(server.socketEndpoint)))
  for (const client of clients)
    client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: cursor } })
  await waitForSubscribers(10)
  const working = Promise.all(Array.from({ length: 20 }, () => deposit(ada, 1)))
  for (const client of clients) client.webSocket.terminate()
  await waitForSubscribers(0)
  await working
})

test('a subscriber is freed when its client closes the socket', async () => {
  const ada = await createUser()
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada } })
  await waitForSubscribers(1)
  client.webSocket.close(1000)
  await waitForSubscribers(0)
})

test('a subscriber is freed when a reader of server-sent events hangs up', async () => {
  const ada = await createUser()
  const streams = [
    await openStream(server.endpoint, { query: WATCH, variables: { accountId: ada } }),
    await openStream(server.endpoint, { query: WATCH, variables: { accountId: ada } }),
  ]
  expect(subscriberCount()).toBe(2)
  await deposit(ada, 1)
  await streams[0]?.waitForEvent()
  for (const stream of streams) stream.abort()
  await waitForSubscribers(0)
})
