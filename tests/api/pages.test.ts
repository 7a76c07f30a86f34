import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { useServer } from '../support/server.ts'

/* Every page of every list, by size, direction and cursor, against a list that is simply cut. */

const LENGTH = 6

const server = useServer()
let accountId: string
let emptyId: string
beforeAll(async () => {
  const users = await Promise.all(
    Array.from({ length: LENGTH }, async () => {
      const { data } = await server.ask(
        `mutation { createUser(input: { email: "${randomUUID()}@example.com" }) { ... on CreateUserSuccess { user { id } } } }`,
      )
      return data.createUser.user.id
    }),
  )
  ;[accountId, emptyId] = users as [string, string]
  for (let number = 1; number < LENGTH; number++) {
    await server.ask(
      `mutation { createAccount(input: { idempotencyKey: "${randomUUID()}", ownerId: "${accountId}" }) { __typename } }`,
    )
  }
  for (let amount = 1; amount <= LENGTH; amount++) {
    await server.ask(
      `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${accountId}", amount: ${amount} }) { __typename } }`,
    )
  }
})

interface Page {
  edges: { cursor: string; node: { id: string } }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
}

type Arguments = { first?: number; last?: number; after?: string; before?: string }

const SELECTION = '{ edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }'
const DECLARED = '$first: Int, $last: Int, $after: String, $before: String'
const GIVEN = 'first: $first, last: $last, after: $after, before: $before'

const LISTS: Record<string, (page: Arguments) => Promise<Page>> = {
  accounts: async (page) => (await ask(`query (${DECLARED}) { accounts(${GIVEN}) ${SELECTION} }`, page)).accounts,
  'the accounts of a user': async (page) =>
    (
      await ask(`query ($id: ID!, ${DECLARED}) { user(id: $id) { accounts(${GIVEN}) ${SELECTION} } }`, {
        ...page,
        id: accountId,
      })
    ).user.accounts,
  users: async (page) => (await ask(`query (${DECLARED}) { users(${GIVEN}) ${SELECTION} }`, page)).users,
  transactions: async (page) =>
    (await ask(`query (${DECLARED}) { transactions(${GIVEN}) ${SELECTION} }`, page)).transactions,
  'the entries of an account': async (page) =>
    (
      await ask(`query ($id: ID!, ${DECLARED}) { account(id: $id) { transactions(${GIVEN}) ${SELECTION} } }`, {
        ...page,
        id: accountId,
      })
    ).account.transactions,
}

async function ask(query: string, variables: Record<string, unknown>) {
  const { data, errors } = await server.ask(query, variables)
  expect(errors).toBeUndefined()
  return data
}

/** The page as plain cuts of the whole list; an empty page lies at that end of its window where it was asked from. */
function cut(all: Page['edges'], { first, last, after, before }: Arguments) {
  const low = after === undefined ? 0 : all.findIndex(({ cursor }) => cursor === after) + 1
  const high = before === undefined ? all.length : all.findIndex(({ cursor }) => cursor === before)
  const [start, end] =
    last === undefined
      ? [low, Math.max(low, Math.min(high, low + (first ?? 20)))]
      : [Math.min(high, Math.max(low, high - last)), high]
  const edges = all.slice(start, end)
  return {
    edges,
    pageInfo: {
      hasNextPage: end < all.length,
      hasPreviousPage: start > 0,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

describe.each(Object.entries(LISTS))('a page of %s', (_name, load) => {
  test('is what the whole list has there, for every size, cursor and direction', async () => {
    const { edges: all } = await load({ first: 100 })
    // Tests below add some.
    expect(all.length).toBeGreaterThanOrEqual(LENGTH)
    const cursors = [undefined, ...all.map(({ cursor }) => cursor)]
    const sizes = [{}, ...Array.from({ length: all.length + 2 }, (_, size) => [{ first: size }, { last: size }]).flat()]
    for (const size of sizes) {
      const windows = cursors.flatMap((after) => cursors.map((before) => ({ after, before })))
      const check = async ({ after, before }: (typeof windows)[number]) => {
        const page = { ...size, ...(after && { after }), ...(before && { before }) }
        // From below what it ends above: nothing is there, and where nothing lies is anybody's guess.
        const isCrossed = after && before && cursors.indexOf(after) >= cursors.indexOf(before)
        if (isCrossed) expect((await load(page)).edges, JSON.stringify(page)).toEqual([])
        else expect(await load(page), JSON.stringify(page)).toEqual(cut(all, page))
      }
      await Promise.all(windows.map(check))
    }
  })

  test.each(Array.from({ length: LENGTH + 1 }, (_, index) => index + 1))(
    'of %i leads down to the end and up again',
    async (size) => {
      const { edges: all } = await load({ first: 100 })
      const down: Page['edges'][] = []
      for (
        let page = await load({ first: size });
        ;
        page = await load({ first: size, after: page.pageInfo.endCursor as string })
      ) {
        down.push(page.edges)
        if (!page.pageInfo.hasNextPage) break
      }
      expect(down.flat()).toEqual(all)
      const up: Page['edges'][] = []
      for (
        let page = await load({ last: size });
        ;
        page = await load({ last: size, before: page.pageInfo.startCursor as string })
      ) {
        up.unshift(page.edges)
        if (!page.pageInfo.hasPreviousPage) break
      }
      expect(up.flat()).toEqual(all)
    },
  )
})

test('an empty account has an empty page wherever it is asked for', async () => {
  const { account } = await ask('query ($id: ID!) { account(id: $id) { balance { cursor } } }', { id: emptyId })
  const { cursor } = account.balance
  for (const page of [{}, { first: 3 }, { last: 3 }, { first: 0 }, { last: 0 }]) {
    for (const position of [{}, { after: cursor }, { before: cursor }, { after: cursor, before: cursor }]) {
      const data = await ask(
        `query ($id: ID!, ${DECLARED}) { account(id: $id) { transactions(${GIVEN}) ${SELECTION} } }`,
        {
          ...page,
          ...position,
          id: emptyId,
        },
      )
      expect(data.account.transactions, JSON.stringify({ page, position })).toEqual({
        edges: [],
        pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
      })
    }
  }
})

test('position 0, from when an account was empty, has the whole account above it', async () => {
  const { data: made } = await server.ask(
    `mutation { createUser(input: { email: "${randomUUID()}@example.com" }) { ... on CreateUserSuccess { user { account { id balance { cursor } } } } } }`,
  )
  const { id, balance } = made.createUser.user.account
  await ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${id}", amount: 1 }) { __typename } }`,
    {},
  )
  const load = async (page: Arguments) =>
    (
      await ask(`query ($id: ID!, ${DECLARED}) { account(id: $id) { transactions(${GIVEN}) ${SELECTION} } }`, {
        ...page,
        id,
      })
    ).account.transactions as Page
  const above = await load({ before: balance.cursor })
  expect(above.edges).toHaveLength(1)
  expect(above.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
  const below = await load({ after: balance.cursor })
  expect(below).toMatchObject({ edges: [], pageInfo: { hasNextPage: false, hasPreviousPage: true } })
})

test('a page stays where it is while entries are added on top', async () => {
  const load = LISTS['the entries of an account'] as (page: Arguments) => Promise<Page>
  const top = await load({ first: 2 })
  const below = await load({ first: 2, after: top.pageInfo.endCursor as string })
  await ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${accountId}", amount: 1 }) { __typename } }`,
    {},
  )
  expect(await load({ first: 2, after: top.pageInfo.endCursor as string })).toEqual(below)
  const added = await load({ last: 5, before: top.pageInfo.startCursor as string })
  expect(added.edges).toHaveLength(1)
  expect(added.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: true })
})
