import { randomUUID } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { openClient, openStream, type SocketClient } from '../support/graphql-transport.ts'
import { openTestServer } from '../support/server.ts'
import { ENTRY, entryOn, useWatchedServer, WATCH } from '../support/watched-server.ts'

/* A subscriber to an account has every entry once, in order, and as it asked for it. */

const { server, waitForSubscribers, createUser, deposit, transfer, balanceOf } = useWatchedServer()

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
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: (await balanceOf(ada)).cursor } })
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
  for (const accountId of [ada, grace, linus]) client.subscribe(accountId, { query: WATCH, variables: { accountId } })
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
  const stream = await openStream(server.endpoint, { query: WATCH, variables: { accountId: ada, since: first.cursor } })
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
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada } })
  await waitForSubscribers(1)
  const stream = await openStream(server.endpoint, { query: WATCH, variables: { accountId: ada } })
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
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: cursor } })
  expect(await sequencesOn(client, 2)).toEqual([1, 2])
})

test('a backlog longer than one read comes whole, and then what is new', async () => {
  const ada = await createUser()
  const { cursor } = await balanceOf(ada)
  await Promise.all(Array.from({ length: 230 }, () => deposit(ada, 1)))
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: cursor } })
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
    client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: cursor } })
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
    client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: cursor } })
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
    client.subscribe('watch', { query: WATCH, variables: { accountId: ada } })
    await waitForSubscribers(1)
    const posted = await deposit(ada, 42, other)
    expect(await entryOn(client)).toEqual(posted)

    // And a cursor from one server resumes on the other.
    const elsewhere = await openClient(other.socketEndpoint)
    elsewhere.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: posted.cursor } })
    const next = await deposit(ada, 43)
    expect(await entryOn(elsewhere)).toEqual(next)
  } finally {
    await other.close()
  }
})

test('each event is read afresh: a payer who has a new address is told by it', async () => {
  const [ada, grace] = [await createUser(), await createUser()]
  await deposit(grace, 100)
  const client = await openClient(server.socketEndpoint)
  client.subscribe('watch', { query: WATCH, variables: { accountId: ada, since: (await balanceOf(ada)).cursor } })
  await transfer(grace, ada, 1)
  const before = await entryOn(client)
  const email = `${randomUUID()}@example.com`
  await server.database.pool.query('update users set email = $1 where email = $2', [
    email,
    before.transaction.source.owner.email,
  ])
  await transfer(grace, ada, 1)
  expect((await entryOn(client)).transaction.source).toEqual({ id: grace, owner: { email } })
})

test('subscribers of one account are told what each of them asked for, whatever the others ask', async () => {
  const ada = await createUser()
  await deposit(ada, 5)
  const query = `subscription ($accountId: ID!, $since: String, $withAmount: Boolean!, $asOf: DateTime) {
    entryPosted(accountId: $accountId, since: $since) {
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
    client.subscribe(String(index), { query, variables: { accountId: ada, ...variables } })
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
    variables: { input: { idempotencyKey: randomUUID(), accountId: ada, amount: '9007199254740993' } },
  })
  const paid = await client.waitForMessage()
  expect(paid).toMatchObject({
    type: 'next',
    id: 'pay',
    payload: { data: { deposit: { replayed: false, entry: { balanceAfter: '9007199254740993' } } } },
  })
  expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'pay' })

  client.subscribe('ask', {
    query: 'query Other { ledger { userCount } } query Balance($id: ID!) { account(id: $id) { balance { amount } } }',
    operationName: 'Balance',
    variables: { id: ada },
  })
  expect(await client.waitForMessage()).toEqual({
    type: 'next',
    id: 'ask',
    payload: { data: { account: { balance: { amount: '9007199254740993' } } } },
  })
  expect(await client.waitForMessage()).toEqual({ type: 'complete', id: 'ask' })
})
