import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import type { AccountId } from '../../src/db/ids.ts'
import type { TransactionFilter, TransactionPosition } from '../../src/ledger/model/transaction-page.ts'
import { countMatches, loadMatches } from '../../src/ledger/reading/entry-matches.ts'
import { countTransactions, pageTransactions } from '../../src/ledger/reading/transaction-list.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

/*
 * A ledger of deposits to one account, with metadata on all of them: `order` differs on each, `shop` is the same on all, and
 * `year` changes half-way. What a page of it reads is counted from the plans that PostgreSQL carried out.
 */

const COUNT = 30_000
const SCAN_MAX = 1_000

let ledger: TestLedger
let accountId: AccountId
let client: pg.Client
const sent: { sql: string; params: unknown[] }[] = []

beforeAll(async () => {
  ledger = await openTestLedger()
  ;[accountId] = await makeAccounts(ledger, 1)
  await ledger.test.pool.query(
    `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at, metadata)
     select gen_random_uuid(), gen_random_uuid(), $1, number, number, '2026-01-01'::timestamptz + number * interval '1 second',
       jsonb_build_object('order', number::text, 'shop', 'a', 'year', case when number <= ${COUNT / 2} then 'old' else 'new' end)
     from generate_series(1, ${COUNT}) number`,
    [accountId],
  )
  await ledger.rebuildCheckpoints()
  await ledger.test.pool.query('vacuum analyze transactions')
  client = new pg.Client({ connectionString: ledger.test.url })
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await ledger.close()
})

const logged = () => drizzle(client, { logger: { logQuery: (sql, params) => void sent.push({ sql, params }) } })

interface Node {
  'Node Type': string
  'Index Name'?: string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Node[]
}

function nodesOf(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

/** How many rows of the ledger the statements read that were sent meanwhile, and by which indexes. */
async function readBy(work: (database: ReturnType<typeof logged>) => Promise<unknown>) {
  sent.length = 0
  await work(logged())
  const indexes = new Set<string>()
  let rowCount = 0
  for (const { sql, params } of [...sent]) {
    const { rows } = await client.query(`explain (analyze, format json) ${sql}`, params)
    for (const node of nodesOf(rows[0]['QUERY PLAN'][0].Plan)) {
      if (node['Index Name']) indexes.add(node['Index Name'])
      if (node['Relation Name'] !== 'transactions') continue
      rowCount += (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    }
  }
  return { indexes, rowCount }
}

describe('a page of the whole ledger', () => {
  const page = (filter: TransactionFilter, request: Parameters<typeof pageTransactions>[1] = { first: 20 }) =>
    readBy((database) => pageTransactions(database, request, filter, SCAN_MAX))

  test('finds a rare value by the index, wherever it is', async () => {
    const position = async (order: number) => {
      const { items } = await pageTransactions(
        ledger.database,
        { first: 1 },
        { metadata: { order: `${order}` } },
        SCAN_MAX,
      )
      return items[0] as TransactionPosition & { amount: bigint }
    }
    expect((await position(17)).amount).toBe(17n)
    const [middle, late] = [await position(COUNT / 2), await position(COUNT - 5)]
    for (const request of [{ first: 20 }, { last: 20 }, { first: 20, after: middle }, { last: 20, before: late }]) {
      const { indexes, rowCount } = await page({ metadata: { order: '17' } }, request)
      expect(indexes).toContain('transactions_metadata')
      // The first few by time, for what is common, and a few by the index.
      expect(rowCount).toBeLessThan(SCAN_MAX)
    }
  })

  test('is filled by time where a value is common', async () => {
    const { indexes, rowCount } = await page({ metadata: { shop: 'a' } })
    expect(indexes).toEqual(new Set(['transactions_time']))
    expect(rowCount).toBeLessThan(100)
  })

  test.each<[string, TransactionFilter]>([
    ['is common, but long ago', { metadata: { year: 'old' } }],
    ['is common, but not with the rest of the filter', { metadata: { shop: 'a' }, amountMax: toAmount(3n) }],
  ])('is bounded where a value %s, and the next ones go on', async (_what, filter) => {
    const { rowCount } = await page(filter)
    // By time: the first few, all that it may, and where that ends. Once again by the index, to find out that it is common.
    expect(rowCount).toBeLessThan(4 * SCAN_MAX)
    const met: bigint[] = []
    let pageCount = 0
    for (let after: TransactionPosition | undefined; ; pageCount++) {
      const { items, hasOlder, stoppedBelow } = await pageTransactions(
        ledger.database,
        { first: 100, after },
        { ...filter, amountMax: toAmount(3n) },
        SCAN_MAX,
      )
      met.push(...items.map(({ amount }) => amount))
      if (!hasOlder) break
      after = stoppedBelow ?? items.at(-1)
    }
    expect(met).toEqual([3n, 2n, 1n])
    expect(pageCount).toBe(COUNT / SCAN_MAX - 1)
  })

  test('is counted by the index where a value is rare', async () => {
    const counted = (filter: TransactionFilter) => readBy((database) => countTransactions(database, filter))
    expect((await counted({ metadata: { order: '17' } })).rowCount).toBeLessThan(10)
    expect(await countTransactions(ledger.database, { metadata: { order: '17', shop: 'a' } })).toBe(1)
    expect(await countTransactions(ledger.database, { metadata: { order: '17', shop: 'b' } })).toBe(0)
    expect(await countTransactions(ledger.database, { metadata: { year: 'old' } })).toBe(COUNT / 2)
    expect(await countTransactions(ledger.database, { metadata: { order: '17' }, kind: 'WITHDRAWAL' })).toBe(0)
  })
})

test('a page of an account reads no more than it may, and the next ones go on', async () => {
  const list = { accountId, low: 1, high: COUNT, filter: { metadata: { order: '3' } } }
  const load = (after: number | undefined) =>
    loadMatches(ledger.database, [{ list, page: { first: 20, after } }], SCAN_MAX, () => {})
  const { rowCount } = await readBy((database) =>
    loadMatches(database, [{ list, page: { first: 20, after: undefined } }], SCAN_MAX, () => {}),
  )
  // Both sides of the account are looked through, and a balance is summed up.
  expect(rowCount).toBeGreaterThanOrEqual(SCAN_MAX)
  expect(rowCount).toBeLessThan(3 * SCAN_MAX)
  const met: number[] = []
  let pageCount = 0
  for (let after: number | undefined; ; pageCount++) {
    const [answer] = await load(after)
    const { items, hasOlder, stoppedBelow } = answer as NonNullable<typeof answer>
    met.push(...items.map(({ sequence }) => sequence))
    if (!hasOlder) break
    after = stoppedBelow ?? met.at(-1)
  }
  expect(met).toEqual([3])
  expect(pageCount).toBe(COUNT / SCAN_MAX - 1)
  expect(await countMatches(ledger.database, [list])).toEqual([1])
})
