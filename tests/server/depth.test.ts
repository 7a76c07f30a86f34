import { randomUUID } from 'node:crypto'
import { getIntrospectionQuery } from 'graphql'
import { beforeAll, expect, test } from 'vitest'
import { DEPTH_MAX } from '../../src/server/graphql/document-limits.ts'
import { openClient } from '../support/graphql-transport.ts'
import { useServer } from '../support/server.ts'

const server = useServer()
let accountId: string
beforeAll(async () => {
  const { rows } = await server.database.pool.query(
    `insert into users (id, email) values (gen_random_uuid(), 'ada@example.com') returning id`,
  )
  accountId = rows[0].id
})

const countPosted = async () => (await server.database.pool.query('select from transactions')).rowCount

/** `account { balance { account { balance …` so many fields deep, the last one a leaf. */
const nest = (depth: number) => {
  const names = Array.from({ length: depth - 1 }, (_, index) => (index % 2 ? 'balance' : 'account'))
  const leaf = depth % 2 ? 'amount' : 'id'
  return `${names.map((name) => `${name} {`).join(' ')} ${leaf} ${'}'.repeat(depth - 1)}`
}

/** A posting whose answer is asked for so many fields deep. */
const post = (depth: number) => `mutation {
  deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${accountId}", amount: 1 }) {
    ... on DepositSuccess { transaction { destination { balance { ${nest(depth - 4)} } } } }
  }
}`

test('what is asked for as deep as may be is answered', async () => {
  const { data, errors } = await server.ask(post(DEPTH_MAX))
  expect(errors).toBeUndefined()
  expect(data.deposit.transaction.destination.balance.account).toBeDefined()
  expect((await server.ask(getIntrospectionQuery())).errors).toBeUndefined()
})

/** Whichever limit is the first to be met. */
const TOO_MUCH = /nested too deeply|more than 1000 fields|more than 2000 tokens|longer than 65536 characters/

test.each([DEPTH_MAX + 1, 100, 1_100, 1_300, 1_600, 2_000, 20_000])(
  'a posting that is asked for %i deep is refused before it is made, and hurts nothing else',
  async (depth) => {
    const before = await countPosted()
    const overHttp = await server.ask(post(depth))
    expect(overHttp.data ?? null).toBeNull()
    expect(overHttp.errors?.[0]).toMatchObject({
      message: expect.stringMatching(TOO_MUCH),
      extensions: { code: 'BAD_REQUEST' },
    })
    if (post(depth).length > 60_000) return
    const client = await openClient(server.socketEndpoint)
    client.subscribe('watch', { query: `subscription { entryPosted(accountId: "${accountId}") { sequence } }` })
    client.subscribe('deep', { query: post(depth) })
    expect(await client.waitForMessage()).toMatchObject({
      type: 'error',
      id: 'deep',
      payload: [{ message: expect.stringMatching(TOO_MUCH) }],
    })
    expect(await client.drain()).toEqual([])
    expect(await countPosted()).toBe(before)
  },
)

test('fragments count where they are spread', async () => {
  const deep = `
    query { account(id: "${accountId}") { balance { ...A } } }
    fragment A on Balance { ${Array(DEPTH_MAX - 4)
      .fill('account { balance {')
      .slice(0, (DEPTH_MAX - 2) / 2)
      .join(' ')} ...B ${'}}'.repeat((DEPTH_MAX - 2) / 2)} }
    fragment B on Balance { amount }`
  expect((await server.ask(deep)).errors?.[0]?.message).toMatch(/nested too deeply/)
  const cyclic = `query { account(id: "${accountId}") { ...A } } fragment A on Account { balance { account { ...A } } }`
  expect((await server.ask(cyclic)).errors?.[0]?.message).toMatch(/Cannot spread fragment/)
})
