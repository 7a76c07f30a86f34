import { beforeAll, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { CHECKPOINT_INTERVAL } from '../../src/ledger/upkeep/checkpoints.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'

/* Pages and balances while entries are being written, and while checkpoints are taken away. */

// A page under a filter looks through few, so that many end early.
const { ledger, server } = useLedgerAndServer({ FILTER_SCAN_MAX: '200' })
let accounts: AccountId[]

beforeAll(async () => {
  accounts = await makeAccounts(ledger, 4, 10_000n)
  await postSome(400)
})

async function postSome(count: number): Promise<void> {
  const some = (index: number) => accounts[index % accounts.length] as AccountId
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      ledger.posting.post(
        index % 3 ? transfer(some(index), some(index + 1), BigInt(1 + (index % 9))) : deposit(some(index), 5n),
      ),
    ),
  )
}

interface Page {
  edges: { cursor: string; node: { id: string } }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string }
}

const SELECTION = '{ edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }'
const LISTS: Record<string, (page: string) => Promise<Page>> = {
  'an account': async (page) =>
    (await ask(`{ account(id: "${accounts[0]}") { transactions(${page}) ${SELECTION} } }`)).account.transactions,
  'an account under a filter': async (page) =>
    (
      await ask(
        `{ account(id: "${accounts[0]}") { transactions(${page}, filter: { kind: TRANSFER, amountMin: 3 }) ${SELECTION} } }`,
      )
    ).account.transactions,
  'the whole ledger': async (page) => (await ask(`{ transactions(${page}) ${SELECTION} }`)).transactions,
  'the whole ledger under a filter': async (page) =>
    (await ask(`{ transactions(${page}, filter: { kind: TRANSFER, amountMin: 9 }) ${SELECTION} }`)).transactions,
}

async function ask(query: string) {
  const { data, errors } = await server.ask(query)
  expect(errors).toBeUndefined()
  return data
}

/** All pages, down or up, and whether each that promised another one kept its word. */
async function walk(load: (page: string) => Promise<Page>, goesUp: boolean, start?: string): Promise<string[]> {
  const met: string[] = []
  for (let cursor = start; ; ) {
    const page = await load(
      goesUp ? `last: 17${cursor ? `, before: "${cursor}"` : ''}` : `first: 17${cursor ? `, after: "${cursor}"` : ''}`,
    )
    const { hasNextPage, hasPreviousPage, startCursor, endCursor } = page.pageInfo
    const ids = page.edges.map(({ node }) => node.id)
    met.push(...(goesUp ? ids.reverse() : ids))
    if (!(goesUp ? hasPreviousPage : hasNextPage)) return met
    cursor = goesUp ? startCursor : endCursor
  }
}

test.each(Object.keys(LISTS))(
  'no row of %s that was there is missed or met twice, on the way down and up, while others are added',
  async (name) => {
    const load = LISTS[name] as (page: string) => Promise<Page>
    for (const goesUp of [false, true]) {
      const there = await walk(load, goesUp)
      let walking = true
      let added = 0
      const posting = (async () => {
        // Not for ever: whoever walks up would never arrive.
        for (; walking && added < 400; added += 20) await postSome(20)
      })()
      // Three at once, so that many pages are read between any two commits.
      const walks = await Promise.all([1, 2, 3].map(() => walk(load, goesUp)))
      walking = false
      await posting
      expect(added).toBeGreaterThan(0)
      const known = new Set(there)
      for (const met of walks) {
        expect(new Set(met).size).toBe(met.length)
        expect(met.filter((id) => known.has(id))).toEqual(there)
      }
    }
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  },
)

test('checkpoints that are taken away between two equal queries change no answer, and come back', async () => {
  const query = `{ accounts(first: 10) { edges { node {
    balance { amount sequence asOf cursor } then: balance(asOf: "2024-01-01T00:00:00Z") { amount }
    transactions(first: 30) { totalCount edges { sequence change balanceAfter } }
    debits: transactions(last: 30, filter: { direction: DEBIT }) { totalCount edges { sequence change balanceAfter } }
    balanceHistory(from: "2024-01-01T00:00:00Z", to: "2025-01-01T00:00:00Z", bucket: MONTH) { closing } } } }
    ledger { totals { balances } } }`
  const checkpoints = async () => {
    const { rows } = await ledger.test.pool.query('select count(*)::int as count from private.balance_checkpoints')
    return rows[0].count
  }
  await ledger.rebuildCheckpoints()
  const before = await ask(query)
  const least = before.accounts.edges.reduce(
    (sum: number, { node }: { node: { balance: { sequence: number } } }) =>
      sum + Math.floor(node.balance.sequence / CHECKPOINT_INTERVAL),
    0,
  )
  expect(least).toBeGreaterThan(20)
  await ledger.test.pool.query('delete from private.balance_checkpoints')
  expect(await ask(query)).toEqual(before)
  await vi.waitFor(async () => expect(await checkpoints()).toBeGreaterThanOrEqual(least))
  expect(await ask(query)).toEqual(before)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('the balances of one list, of one field and of aliases add up at any moment of any load', async () => {
  let posting = true
  const posters = Array.from({ length: 4 }, async () => {
    // Transfers only: the sum stays.
    for (let index = 0; posting; index++) {
      await ledger.posting.post(
        transfer(accounts[index % 4] as AccountId, accounts[(index + 1) % 4] as AccountId, BigInt(1 + (index % 50))),
      )
    }
  })
  const [one, two, three, four] = accounts
  const query = `{
    balances(accountIds: ["${accounts.join('", "')}"]) { amount }
    list: accounts(first: 10) { edges { node { balance { amount } } } }
    users(first: 10) { edges { node { accounts(first: 5) { edges { node { balance { amount } } } } } } }
    ${accounts.map((id, index) => `alias${index}: account(id: "${id}") { balance { amount } }`).join(' ')}
    nodes(ids: ["account_${one}", "account_${two}", "account_${three}", "account_${four}"]) { ... on Account { balance { amount } } } }`
  const sum = (balances: { amount: string }[]) => balances.reduce((total, { amount }) => total + BigInt(amount), 0n)
  const sums = new Set<bigint>()
  for (let round = 0; round < 60; round++) {
    const answers = await Promise.all([ask(query), ask(query), ask(query)])
    for (const { balances, list, users, nodes, ...aliases } of answers) {
      sums.add(sum(balances))
      const balancesIn = ({ edges }: { edges: { node: { balance: { amount: string } } }[] }) =>
        edges.map(({ node }) => node.balance)
      sums.add(sum(balancesIn(list)))
      type Owner = { node: { accounts: Parameters<typeof balancesIn>[0] } }
      sums.add(sum(users.edges.flatMap(({ node }: Owner) => balancesIn(node.accounts))))
      sums.add(sum(nodes.map(({ balance }: { balance: { amount: string } }) => balance)))
      sums.add(sum((Object.values(aliases) as { balance: { amount: string } }[]).map(({ balance }) => balance)))
    }
  }
  posting = false
  await Promise.all(posters)
  expect(sums.size).toBe(1)
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})
