import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { openClient, openStream, type SocketClient } from '../support/graphql-transport.ts'
import { type Person, signUp } from '../support/rights.ts'
import { type TestServer, useServers } from '../support/server.ts'

/* Whoever is given an account can use it soon, through every server, also on what they opened before. */

const { one, other } = useServers({ one: {}, other: {} })
const uuidOf = (id: string) => id.slice(id.indexOf('_') + 1)
const tokenOf = ({ authorization }: Person) => authorization.authorization.replace('Bearer ', '')

/** An operator's, through one of the servers. */
async function act(server: TestServer, mutation: string, input: Record<string, unknown>, selection: string) {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input!`
  const query = `mutation ($input: ${type}) { answer: ${mutation}(input: $input) { __typename ${selection} } }`
  const { data, errors } = await server.ask(query, { input })
  expect(errors).toBeUndefined()
  return data.answer
}

async function makeAccount(owner: Person, currency: string): Promise<string> {
  const input = { idempotencyKey: randomUUID(), ownerId: owner.id, currency, name: 'Savings' }
  const made = await act(one, 'createAccount', input, '... on CreateAccountSuccess { account { id } }')
  return made.account.id
}

const deposit = (accountId: string, amount: number) =>
  act(one, 'deposit', { idempotencyKey: randomUUID(), accountId, amount }, '... on PostingSuccess { replayed }')

const LOOK = `query ($id: ID!) { account(id: $id) { name status balance { amount cursor } } viewer { accounts { edges { node { id } } } } }`
const PAY = `mutation ($input: TransferInput!) { transfer(input: $input) {
  __typename ... on TransferSuccess { entry { change balanceAfter } } ... on Error { code } } }`
const WATCH = `subscription ($id: ID!, $since: String!) {
  entryPosted(accountId: $id, since: $since) { change transaction { source { name } destination { name } } }
}`

/** Where an account is, as whoever holds it sees it. */
async function cursorOf(server: TestServer, { authorization }: Person, id: string): Promise<string> {
  return (await server.ask(LOOK, { id }, authorization)).data.account.balance.cursor
}

let operations = 0
/** One answer on a socket. */
async function askOn(client: SocketClient, query: string, variables: Record<string, unknown>) {
  const id = `operation ${++operations}`
  client.subscribe(id, { query, variables })
  const { payload } = await client.waitForMessage()
  expect(await client.waitForMessage()).toEqual({ id, type: 'complete' })
  return payload
}

describe('a new account', () => {
  test('is usable by its owner through every server, over HTTP and on sockets that were open before', async () => {
    const ada = await signUp(one, 'ada')
    const bert = await signUp(one, 'bert')
    const sockets = await Promise.all(
      [one, other].map((server) => openClient(server.socketEndpoint, { token: tokenOf(ada) })),
    )
    const ways = [
      ...[one, other].map(
        (server) => (query: string, variables: Record<string, unknown>) =>
          server.ask(query, variables, ada.authorization),
      ),
      ...sockets.map(
        (client) => (query: string, variables: Record<string, unknown>) => askOn(client, query, variables),
      ),
    ]
    const main = `account_${uuidOf(ada.id)}`
    for (const ask of ways) {
      const { data } = await ask(LOOK, { id: main })
      expect(data).toMatchObject({
        account: { balance: { amount: '0' } },
        viewer: { accounts: { edges: [{ node: { id: main } }] } },
      })
    }

    const savings = await makeAccount(ada, 'USD')
    await deposit(savings, 100)
    for (const [index, ask] of ways.entries()) {
      await vi.waitFor(async () => {
        const { data } = await ask(LOOK, { id: savings })
        expect(data).toEqual({
          account: {
            name: 'Savings',
            status: 'OPEN',
            balance: { amount: String(100 - index), cursor: expect.any(String) },
          },
          viewer: { accounts: { edges: [{ node: { id: savings } }, { node: { id: main } }] } },
        })
      })
      const input = { idempotencyKey: randomUUID(), sourceAccountId: savings, destinationAccountId: bert.id, amount: 1 }
      const { data } = await ask(PAY, { input })
      expect(data.transfer).toEqual({
        __typename: 'TransferSuccess',
        entry: { change: '-1', balanceAfter: String(99 - index) },
      })
    }
    // Nobody else has it.
    const { data } = await other.ask(LOOK, { id: savings }, bert.authorization)
    expect(data).toMatchObject({
      account: null,
      viewer: { accounts: { edges: [{ node: { id: bert.id.replace('user', 'account') } }] } },
    })
  })

  test('is followed on a socket that was open before, and seen in the events of a subscription that was', async () => {
    const ada = await signUp(one, 'ada')
    const token = tokenOf(ada)
    const main = `account_${uuidOf(ada.id)}`
    await deposit(main, 10)
    const clients = await Promise.all([one, other].map((server) => openClient(server.socketEndpoint, { token })))
    const watch = { query: WATCH, variables: { id: main, since: await cursorOf(one, ada, main) } }
    for (const client of clients) client.subscribe('main', watch)
    const streams = await Promise.all([one, other].map((server) => openStream(server.endpoint, watch, token)))
    const savings = await makeAccount(ada, 'USD')
    for (const client of clients) {
      const since: string = await vi.waitFor(
        async () => (await askOn(client, LOOK, { id: savings })).data.account.balance.cursor,
      )
      client.subscribe('savings', { query: WATCH, variables: { id: savings, since } })
    }
    const input = { idempotencyKey: randomUUID(), sourceAccountId: main, destinationAccountId: savings, amount: 3 }
    await vi.waitFor(() => cursorOf(other, ada, savings))
    expect((await other.ask(PAY, { input }, ada.authorization)).data.transfer.__typename).toBe('TransferSuccess')
    const transaction = { source: { name: null }, destination: { name: 'Savings' } }
    for (const client of clients) {
      const events = [await client.waitForMessage(), await client.waitForMessage()]
      expect(events.map(({ payload }) => payload.data.entryPosted).toSorted((a, b) => a.change - b.change)).toEqual([
        { change: '-3', transaction },
        { change: '3', transaction },
      ])
    }
    for (const stream of streams) {
      const { data } = await stream.waitForEvent()
      expect(data?.data.entryPosted).toEqual({ change: '-3', transaction })
    }
  })
})
