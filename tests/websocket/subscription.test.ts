import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { CatchUp } from '../../src/ledger/feed/catch-up.ts'
import type { LedgerEntry } from '../../src/ledger/model/entry.ts'
import { changedEntryCursor } from '../support/cursors.ts'
import { openClient, openStream, type SocketClient } from '../support/graphql-transport.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/** The feeds of all servers in this file. */
const feeds = vi.hoisted((): { subscriberCount: number }[] => [])
vi.mock('../../src/ledger/feed/account-feed.ts', async (original) => {
  const { Feed } = await original<typeof import('../../src/ledger/feed/account-feed.ts')>()
  class KnownFeed extends Feed {
    constructor(...options: ConstructorParameters<typeof Feed>) {
      super(...options)
      feeds.push(this)
    }
  }
  return { Feed: KnownFeed }
})

const subscriberCount = () => feeds.reduce((sum, feed) => sum + feed.subscriberCount, 0)
const waitForSubscribers = (count: number) => vi.waitFor(() => expect(subscriberCount()).toBe(count), { interval: 5 })

let server: TestServer
beforeAll(async () => {
  server = await openTestServer()
})
// Registered first, so it runs last: after the clients are cut.
beforeEach(() => onTestFinished(() => waitForSubscribers(0)))
afterAll(() => server.close())

const ENTRY = `id cursor sequence direction change balanceAfter createdAt
  transaction { id kind amount source { id email } destination { id email } }`
const WATCH = `subscription Watch($userId: ID!, $since: String) { entryPosted(userId: $userId, since: $since) { ${ENTRY} } }`

async function createUser(): Promise<string> {
  const { data } = await server.ask(
    'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { id } } } }',
    { email: `${randomUUID()}@example.com` },
  )
  return data.createUser.user.id
}

async function deposit(userId: string, amount: number, through = server) {
  const { data } = await through.ask(
    `mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { entry { ${ENTRY} } } } }`,
    { input: { idempotencyKey: randomUUID(), userId, amount } },
  )
  return data.deposit.entry
}

async function transfer(sourceUserId: string, destinationUserId: string, amount: number) {
  const { data } = await server.ask(
    `mutation ($input: TransferInput!) { transfer(input: $input) { ... on TransferSuccess { entry { ${ENTRY} } } } }`,
    { input: { idempotencyKey: randomUUID(), sourceUserId, destinationUserId, amount } },
  )
  return data.transfer.entry
}

async function balanceOf(userId: string): Promise<{ amount: string; sequence: number; cursor: string }> {
  const { data } = await server.ask('query ($id: ID!) { user(id: $id) { balance { amount sequence cursor } } }', {
    id: userId,
  })
  return data.user.balance
}

/** The next entry of a subscription. */
async function entryOn(client: SocketClient, id = 'watch') {
  const message = await client.waitForMessage()
  expect(message).toMatchObject({ type: 'next', id })
  expect(message.payload.errors).toBeUndefined()
  return message.payload.data.entryPosted
}

/** Takes entries until one has this number; answers with the number of each. */
async function sequencesOn(client: SocketClient, last: number): Promise<number[]> {
  const sequences: number[] = []
  while ((sequences.at(-1) ?? 0) < last) sequences.push((await entryOn(client)).sequence)
  return sequences
}

const numbersFrom = (first: number, last: number) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index)

test('a deposit and a transfer arrive in order, as the entries that their callers were given', async () => {
  const [ada, grace] = [await createUser(), await createUser()]
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: (await balanceOf(ada)).cursor } })
  const deposited = await deposit(ada, 500)
  expect(await entryOn(client)).toEqual(deposited)
  const sent = await transfer(ada, grace, 120)
  expect(await entryOn(client)).toEqual(sent)

  expect(deposited).toMatchObject({ sequence: 1, direction: 'CREDIT', change: '500', balanceAfter: '500' })
  expect(sent).toMatchObject({ sequence: 2, direction: 'DEBIT', change: '-120', balanceAfter: '380' })
  expect(sent.transaction).toMatchObject({ kind: 'TRANSFER', source: { id: ada }, destination: { id: grace } })
  expect(sent.createdAt > deposited.createdAt).toBe(true)
  expect(await balanceOf(ada)).toEqual({ amount: '380', sequence: 2, cursor: sent.cursor })
})

test('each side of a transfer is told of its own entry, and nobody of a stranger', async () => {
  const [ada, grace, linus] = [await createUser(), await createUser(), await createUser()]
  await deposit(ada, 500)
  const client = await openClient(server.socketEndpoint)
  for (const userId of [ada, grace, linus]) client.subscribe(userId, { query: WATCH, variables: { userId } })
  await waitForSubscribers(3)
  await transfer(ada, grace, 120)
  const messages = [await client.waitForMessage(), await client.waitForMessage()]
  expect(Object.fromEntries(messages.map(({ id, payload }) => [id, payload.data.entryPosted.change]))).toEqual({
    [ada]: '-120',
    [grace]: '120',
  })
  // Linus's own first entry is the first that he hears of.
  await deposit(linus, 7)
  expect(await entryOn(client, linus)).toMatchObject({ sequence: 1, change: '7' })
})

test('over server-sent events the same entries arrive', async () => {
  const [ada, grace] = [await createUser(), await createUser()]
  const first = await deposit(ada, 500)
  const stream = await openStream(server.endpoint, { query: WATCH, variables: { userId: ada, since: first.cursor } })
  expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  const sent = await transfer(ada, grace, 120)
  expect(await stream.waitForEvent()).toEqual({ event: 'next', data: { data: { entryPosted: sent } } })
  const second = await deposit(ada, 5)
  expect(await stream.waitForEvent()).toEqual({ event: 'next', data: { data: { entryPosted: second } } })
})

test('a subscription without `since` begins with the next entry', async () => {
  const ada = await createUser()
  for (const amount of [1, 2, 3]) await deposit(ada, amount)
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { userId: ada } })
  await waitForSubscribers(1)
  const stream = await openStream(server.endpoint, { query: WATCH, variables: { userId: ada } })
  const next = await deposit(ada, 4)
  expect(await entryOn(client)).toEqual(next)
  expect((await stream.waitForEvent()).data?.data.entryPosted).toEqual(next)
  expect(next.sequence).toBe(4)
})

test('the cursor of an empty account begins with its very first entry', async () => {
  const ada = await createUser()
  const { sequence, cursor } = await balanceOf(ada)
  expect(sequence).toBe(0)
  await deposit(ada, 1)
  await deposit(ada, 2)
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: cursor } })
  expect(await sequencesOn(client, 2)).toEqual([1, 2])
})

test('a backlog longer than one read comes whole, and then what is new', async () => {
  const ada = await createUser()
  const { cursor } = await balanceOf(ada)
  await Promise.all(Array.from({ length: 230 }, () => deposit(ada, 1)))
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: cursor } })
  expect(await sequencesOn(client, 230)).toEqual(numbersFrom(1, 230))
  await deposit(ada, 1)
  expect(await entryOn(client)).toMatchObject({ sequence: 231, balanceAfter: '231' })
})

test('subscribers who come while 300 postings go on miss none and see none twice', async () => {
  const [ada, grace] = [await createUser(), await createUser()]
  await deposit(grace, 1_000)
  const empty = await balanceOf(ada)
  const postings = Array.from(
    { length: 300 },
    (_, index) => () => (index % 3 ? deposit(ada, 2) : transfer(grace, ada, 1)),
  )
  let posted = 0
  const work = async () => {
    for (let post = postings.pop(); post; post = postings.pop()) {
      expect(await post()).toBeTruthy()
      posted += 1
    }
  }
  const working = Promise.all(Array.from({ length: 8 }, work))

  const watchers: { since: number; client: SocketClient }[] = []
  for (const moment of [0, 40, 80, 120, 160, 200, 240, 280]) {
    await vi.waitFor(() => expect(posted).toBeGreaterThanOrEqual(moment), { interval: 1 })
    const { sequence, cursor } = moment % 80 === 0 ? await balanceOf(ada) : empty
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: cursor } })
    watchers.push({ since: sequence, client })
  }
  const seen = await Promise.all(watchers.map(({ client }) => sequencesOn(client, 300)))
  await working
  for (const [index, { since }] of watchers.entries()) expect(seen[index]).toEqual(numbersFrom(since + 1, 300))
  for (const { client } of watchers) expect(await client.drain()).toEqual([])
})

test('a client that is cut again and again resumes from its last cursor without hole or repeat', async () => {
  const ada = await createUser()
  let { cursor } = await balanceOf(ada)
  const working = Promise.all(Array.from({ length: 120 }, () => deposit(ada, 1)))
  const seen: number[] = []
  while (seen.length < 120) {
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: cursor } })
    for (let taken = 0; taken < 17 && seen.length < 120; taken++) {
      const entry = await entryOn(client)
      seen.push(entry.sequence)
      cursor = entry.cursor
    }
    client.webSocket.terminate()
  }
  await working
  expect(seen).toEqual(numbersFrom(1, 120))
})

test('an entry posted through another server on the same database arrives', async () => {
  const other = await openTestServer({}, server.database)
  try {
    const ada = await createUser()
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: WATCH, variables: { userId: ada } })
    await waitForSubscribers(1)
    const posted = await deposit(ada, 42, other)
    expect(await entryOn(client)).toEqual(posted)

    // And a cursor from one server resumes on the other.
    const elsewhere = await openClient(other.socketEndpoint)
    elsewhere.subscribe('watch', { query: WATCH, variables: { userId: ada, since: posted.cursor } })
    const next = await deposit(ada, 43)
    expect(await entryOn(elsewhere)).toEqual(next)
  } finally {
    await other.close()
  }
})

describe('what cannot be watched is refused, and the socket lives on', () => {
  async function refusals(variables: Record<string, unknown>) {
    const ada = await createUser()
    const client = await openClient(server.socketEndpoint)
    client.subscribe('bystander', { query: WATCH, variables: { userId: ada } })
    await waitForSubscribers(1)
    client.subscribe('refused', { query: WATCH, variables })
    const answer = await client.waitForMessage()
    expect(answer.id).toBe('refused')
    // A socket has no status code to carry.
    expect(JSON.stringify(answer)).not.toContain('"http"')
    const errors = answer.type === 'error' ? answer.payload : answer.payload.errors
    if (answer.type !== 'error') expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'refused' })
    expect(subscriberCount()).toBe(1)
    const posted = await deposit(ada, 1)
    expect(await entryOn(client, 'bystander')).toEqual(posted)

    const stream = await openStream(server.endpoint, { query: WATCH, variables })
    const { data } = await stream.waitForEvent()
    expect(data?.errors).toEqual(errors)
    return errors
  }

  test('a text that is no cursor', async () => {
    const userId = await createUser()
    const [error, ...others] = await refusals({ userId, since: 'rosebud' })
    expect(others).toEqual([])
    expect(error).toMatchObject({
      message: 'since: is not a cursor of an account',
      path: ['entryPosted'],
      extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'since', message: 'is not a cursor of an account' }] },
    })
  })

  test('the cursor of another account', async () => {
    const [userId, other] = [await createUser(), await createUser()]
    const [error] = await refusals({ userId, since: (await balanceOf(other)).cursor })
    expect(error).toMatchObject({
      message: 'since: is a cursor of another account',
      extensions: { code: 'BAD_USER_INPUT' },
    })
  })

  test('a cursor from the future', async () => {
    const userId = await createUser()
    const since = changedEntryCursor((await balanceOf(userId)).cursor, { sequence: 1 })
    const [error] = await refusals({ userId, since })
    expect(error).toMatchObject({
      message: 'since: is a position the account has not reached',
      extensions: { code: 'BAD_USER_INPUT' },
    })
  })

  test('a cursor from before a restore', async () => {
    const userId = await createUser()
    const since = changedEntryCursor((await balanceOf(userId)).cursor, { era: randomUUID() })
    const [error] = await refusals({ userId, since })
    expect(error).toMatchObject({ extensions: { code: 'CURSOR_EXPIRED' } })
  })

  test('a user who is not there', async () => {
    const userId = `user_${randomUUID()}`
    const [error] = await refusals({ userId })
    expect(error).toMatchObject({
      message: 'There is no such user. Check the id.',
      extensions: { code: 'USER_NOT_FOUND' },
    })
    expect(JSON.stringify(error)).not.toContain(userId)
  })

  test('an id that is none', async () => {
    const [error] = await refusals({ userId: 'rosebud' })
    expect(error).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'userId' }] } })
    expect(JSON.stringify(error)).not.toContain('rosebud')
  })
})

describe('a subscriber is freed', () => {
  test('when it says Complete, and hears nothing afterwards', async () => {
    const ada = await createUser()
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: WATCH, variables: { userId: ada } })
    await waitForSubscribers(1)
    client.send({ type: 'complete', id: 'watch' })
    await waitForSubscribers(0)
    await deposit(ada, 1)
    expect(await client.drain()).toEqual([])
    // The id is free again.
    client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: (await balanceOf(ada)).cursor } })
    await deposit(ada, 2)
    expect(await entryOn(client)).toMatchObject({ sequence: 2 })
  })

  test('when it says Complete before it was even subscribed', async () => {
    const ada = await createUser()
    const client = await openClient(server.socketEndpoint)
    for (let index = 0; index < 20; index++) {
      client.subscribe(`watch-${index}`, { query: WATCH, variables: { userId: ada } })
      client.send({ type: 'complete', id: `watch-${index}` })
    }
    // An operation that comes later is answered, and the subscriptions before it are gone.
    client.subscribe('after', { query: 'query ($id: ID!) { user(id: $id) { id } }', variables: { id: ada } })
    expect(await client.waitForMessage()).toMatchObject({ id: 'after', payload: { data: { user: { id: ada } } } })
    await waitForSubscribers(0)
  })

  test('when its client is cut, in the middle of whatever', async () => {
    const ada = await createUser()
    const { cursor } = await balanceOf(ada)
    const clients = await Promise.all(Array.from({ length: 10 }, () => openClient(server.socketEndpoint)))
    for (const client of clients) client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: cursor } })
    await waitForSubscribers(10)
    const working = Promise.all(Array.from({ length: 20 }, () => deposit(ada, 1)))
    for (const client of clients) client.webSocket.terminate()
    await waitForSubscribers(0)
    await working
  })

  test('when its client closes the socket', async () => {
    const ada = await createUser()
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: WATCH, variables: { userId: ada } })
    await waitForSubscribers(1)
    client.webSocket.close(1000)
    await waitForSubscribers(0)
  })

  test('when a reader of server-sent events hangs up', async () => {
    const ada = await createUser()
    const streams = [
      await openStream(server.endpoint, { query: WATCH, variables: { userId: ada } }),
      await openStream(server.endpoint, { query: WATCH, variables: { userId: ada } }),
    ]
    expect(subscriberCount()).toBe(2)
    await deposit(ada, 1)
    await streams[0]?.waitForEvent()
    for (const stream of streams) stream.abort()
    await waitForSubscribers(0)
  })
})

test('each event is read afresh: a payer who has a new address is told by it', async () => {
  const [ada, grace] = [await createUser(), await createUser()]
  await deposit(grace, 100)
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { userId: ada, since: (await balanceOf(ada)).cursor } })
  await transfer(grace, ada, 1)
  const before = await entryOn(client)
  const email = `${randomUUID()}@example.com`
  await server.database.pool.query('update users set email = $1 where email = $2', [
    email,
    before.transaction.source.email,
  ])
  await transfer(grace, ada, 1)
  expect((await entryOn(client)).transaction.source).toEqual({ id: grace, email })
})

test('subscribers of one account are told what each of them asked for, whatever the others ask', async () => {
  const ada = await createUser()
  await deposit(ada, 5)
  const query = `subscription ($userId: ID!, $since: String, $withAmount: Boolean!, $asOf: DateTime) {
    entryPosted(userId: $userId, since: $since) {
      sequence @include(if: $withAmount)
      ...Money
    } }
    fragment Money on LedgerEntry { change @skip(if: $withAmount) transaction { destination { balance(asOf: $asOf) { amount } } } }`
  const { cursor: since } = await balanceOf(ada)
  const asOf = '2024-01-01T00:00:00Z'
  const asked = [
    { withAmount: true, asOf: null },
    { withAmount: true, asOf: null, since },
    { withAmount: false, asOf: null },
    { withAmount: true, asOf },
    { withAmount: false, asOf },
  ]
  const client = await openClient(server.socketEndpoint)
  for (const [index, variables] of asked.entries())
    client.subscribe(String(index), { query, variables: { userId: ada, ...variables } })
  await waitForSubscribers(asked.length)
  for (const amount of ['6', '7']) {
    await deposit(ada, 1)
    const told = new Map<string | undefined, unknown>()
    for (const _ of asked) {
      const { id, payload } = await client.waitForMessage()
      told.set(id, payload)
    }
    const sequence = Number(amount) - 4
    for (const [index, { withAmount, asOf }] of asked.entries()) {
      const balance = { amount: asOf ? '0' : amount }
      expect(told.get(String(index))).toEqual({
        data: {
          entryPosted: {
            ...(withAmount ? { sequence } : { change: '1' }),
            transaction: { destination: { balance } },
          },
        },
      })
    }
  }
})

test('queries and mutations work over the socket as well', async () => {
  const ada = await createUser()
  const client = await openClient(server.socketEndpoint)
  client.subscribe('pay', {
    query: `mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { replayed entry { ${ENTRY} } } } }`,
    variables: { input: { idempotencyKey: randomUUID(), userId: ada, amount: '9007199254740993' } },
  })
  const paid = await client.waitForMessage()
  expect(paid).toMatchObject({
    type: 'next',
    id: 'pay',
    payload: { data: { deposit: { replayed: false, entry: { balanceAfter: '9007199254740993' } } } },
  })
  expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'pay' })

  client.subscribe('ask', {
    query: 'query Other { ledger { userCount } } query Balance($id: ID!) { user(id: $id) { balance { amount } } }',
    operationName: 'Balance',
    variables: { id: ada },
  })
  expect(await client.waitForMessage()).toEqual({
    type: 'next',
    id: 'ask',
    payload: { data: { user: { balance: { amount: '9007199254740993' } } } },
  })
  expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'ask' })
})

describe('the feed by itself', () => {
  const entry = (sequence: number) => ({ accountId: 'ada', sequence }) as LedgerEntry
  const errors: unknown[] = []

  async function openRealFeed(read: (after: number) => Promise<LedgerEntry[]>) {
    const { Feed } = await vi.importActual<typeof import('../../src/ledger/feed/account-feed.ts')>(
      '../../src/ledger/feed/account-feed.ts',
    )
    return new Feed(
      (ranges) => Promise.all(ranges.map(async ({ low }) => (await read(low - 1)).reverse())),
      new CatchUp(),
      (error) => errors.push(error),
    )
  }

  afterEach(() => vi.useRealTimers())

  test('has a timer while anybody waits, and none before or after', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const feed = await openRealFeed(async () => [])
    expect(vi.getTimerCount()).toBe(0)
    const subscribers = [feed.subscribe('ada', 0, 0), feed.subscribe('ada', 0, 0), feed.subscribe('grace', 0, 0)]
    const answers = subscribers.map((subscriber) => subscriber.next())
    await vi.advanceTimersByTimeAsync(3_000)
    expect(vi.getTimerCount()).toBe(1)
    await subscribers[0]?.return?.()
    await subscribers[1]?.return?.()
    expect(vi.getTimerCount()).toBe(1)
    feed.close()
    expect(vi.getTimerCount()).toBe(0)
    expect(await Promise.all(answers)).toEqual(answers.map(() => ({ done: true, value: undefined })))
  })

  test('looks again within a second when no hint comes, and when a read fails', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const reads: (() => LedgerEntry[])[] = [
      () => [],
      () => {
        throw new Error('the database is away')
      },
      () => {
        throw new Error('the database is still away')
      },
      () => [entry(1)],
    ]
    const feed = await openRealFeed(async () => (reads.shift() as () => LedgerEntry[])())
    const answer = feed.subscribe('ada', 0, 0).next()
    await vi.advanceTimersByTimeAsync(3_000)
    expect(await answer).toEqual({ done: false, value: entry(1) })
    feed.close()
    // Told once, for as long as reads fail.
    expect(errors.splice(0)).toMatchObject([{ message: 'the database is away' }])
  })

  test('does not read past a gap', async () => {
    const reads = [
      [entry(1), entry(3)],
      [entry(2), entry(3)],
    ]
    const asked: number[] = []
    const feed = await openRealFeed(async (after) => {
      asked.push(after)
      return reads.shift() ?? []
    })
    const subscriber = feed.subscribe('ada', 0, 0)
    const taken = [await subscriber.next(), await subscriber.next(), await subscriber.next()]
    expect(taken.map(({ value }) => value?.sequence)).toEqual([1, 2, 3])
    expect(asked).toEqual([0, 1])
    feed.close()
  })

  test('does not lose a hint that comes in the middle of a read', async () => {
    let posted = 0
    const feed = await openRealFeed(async (after) => {
      const before = posted
      // Committed after this read took its snapshot and before it answers.
      if (posted === 0) {
        posted = 1
        feed.hint(['ada'])
      }
      return before > after ? [entry(1)] : []
    })
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    expect(await feed.subscribe('ada', 0, 0).next()).toEqual({ done: false, value: entry(1) })
    feed.close()
  })

  test('tells nothing again to one who joins others that are behind it', async () => {
    const { AccountSubscriber } = await import('../../src/ledger/feed/account-subscriber.ts')
    const subscriber = new AccountSubscriber(
      'ada',
      10,
      10,
      { read: async () => [], join: () => 5, leave: () => {} },
      new CatchUp(),
    )
    const next = subscriber.next()
    for (let sequence = 6; sequence <= 12; sequence++) subscriber.push(entry(sequence))
    expect([(await next).value, (await subscriber.next()).value]).toEqual([entry(11), entry(12)])
    await subscriber.return()
  })
})
