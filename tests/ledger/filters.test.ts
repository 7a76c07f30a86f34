import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import type { AccountId } from '../../src/db/ids.ts'
import { type Instant, instantOf, microsecondsOf, toInstant } from '../../src/db/instant.ts'
import { directionOf } from '../../src/ledger/model/entry.ts'
import type { EntryFilter } from '../../src/ledger/model/entry-filter.ts'
import { kindOf } from '../../src/ledger/model/sides.ts'
import type { TransactionFilter, TransactionPosition } from '../../src/ledger/model/transaction-page.ts'
import { countMatches, loadMatches } from '../../src/ledger/reading/entry-matches.ts'
import { countTransactions, pageTransactions } from '../../src/ledger/reading/transaction-list.ts'
import { deposit, transfer } from '../support/faults.ts'
import { currenciesOf, makeAccounts, makeMixedAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { insertRows, type PlainEntry, plainEntries, type Row, randomOf, randomRows } from '../support/random-ledger.ts'
import { openTestServer } from '../support/server.ts'

/* Pages under filters, of random ledgers, against plain lists that are filtered and cut. */

let ledger: TestLedger

beforeAll(async () => {
  ledger = await openTestLedger()
})
afterAll(() => ledger.close())

const EDGES = ['2024-01-01T00:00:00.000000Z', '2024-01-02T00:00:00.000000Z', '2024-01-09T00:00:00.000000Z'].map(
  toInstant,
)

type Random = ReturnType<typeof randomOf>

const someAmounts = ({ upTo }: Random) => ({
  ...(upTo(3) === 0 && { amountMin: toAmount(BigInt(upTo(40))) }),
  ...(upTo(3) === 0 && { amountMax: toAmount(BigInt(40 + upTo(40))) }),
})

const someWords = ({ upTo, oneOf }: Random) => ({
  ...(upTo(4) === 0 && { metadata: oneOf([{ order: '1' }, { shop: 'a' }, { order: '2', shop: 'a' }, { order: '3' }]) }),
  ...(upTo(4) === 0 && { descriptionContains: oneOf(['rent', 'RENT', 'of m', 'book', '%']) }),
  ...(upTo(6) === 0 && { reversal: oneOf([true, false]) }),
})

function hasWords(
  { description, metadata }: Row,
  filter: Pick<EntryFilter, 'metadata' | 'descriptionContains' | 'reversal'>,
): boolean {
  const words = filter.descriptionContains
  return (
    (filter.metadata == null ||
      Object.entries(filter.metadata).every(([key, value]) => metadata !== null && metadata[key] === value)) &&
    (words == null || (description ?? '').toLowerCase().includes(words.toLowerCase())) &&
    // None of them is one.
    filter.reversal !== true
  )
}

const kindOfRow = ({ source, destination }: Row) =>
  source === null ? 'DEPOSIT' : destination === null ? 'WITHDRAWAL' : 'TRANSFER'
const KINDS = ['DEPOSIT', 'TRANSFER', 'WITHDRAWAL'] as const

function someFilter(random: Random, accounts: readonly AccountId[]): EntryFilter {
  const { upTo, oneOf } = random
  return {
    ...(upTo(2) && { direction: oneOf(['CREDIT', 'DEBIT'] as const) }),
    ...(upTo(3) === 0 && { kind: oneOf(KINDS) }),
    ...(upTo(3) === 0 && { counterpartyId: oneOf(accounts) }),
    ...someAmounts(random),
    ...someWords(random),
  }
}

function isMatch({ change, row }: PlainEntry, account: AccountId, filter: EntryFilter): boolean {
  const counterparty = row.source === account ? row.destination : row.source
  return (
    (filter.direction == null || (change > 0n ? 'CREDIT' : 'DEBIT') === filter.direction) &&
    (filter.kind == null || kindOfRow(row) === filter.kind) &&
    (filter.counterpartyId == null || counterparty === filter.counterpartyId) &&
    (filter.amountMin == null || row.amount >= filter.amountMin) &&
    (filter.amountMax == null || row.amount <= filter.amountMax) &&
    hasWords(row, filter)
  )
}

/** Of a list, newest first: the first so many of what lies between the positions, or the last. */
function cut<Item>(
  list: readonly Item[],
  isInWindow: (item: Item) => boolean,
  { first, last }: { first?: number; last?: number },
) {
  const window = list.filter(isInWindow)
  return first !== undefined ? window.slice(0, first) : window.slice(window.length - Math.min(last ?? 0, window.length))
}

describe('the entries of an account', () => {
  test('of every page are those that match, each with the balance at its own number', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const random = randomOf(seed)
        const { upTo } = random
        const accounts = await makeAccounts(ledger, 3)
        const rows = randomRows(seed, { accounts, count: 20 + upTo(80), edges: EDGES })
        await insertRows(ledger.test.pool, rows)
        if (upTo(2)) await ledger.rebuildCheckpoints()
        const requests = Array.from({ length: 20 }, () => {
          const accountId = random.oneOf(accounts)
          const head = plainEntries(rows, accountId).length
          const [low, high] = upTo(2) ? [1, head] : [1 + upTo(head), upTo(head + 1)]
          const page = {
            ...((upTo(2) ? { first: upTo(8) } : { last: upTo(8) }) as { first?: number; last?: number }),
            ...(upTo(2) && { after: upTo(head + 2) }),
            ...(upTo(2) && { before: upTo(head + 2) }),
          }
          return { list: { accountId, low, high, filter: someFilter(random, accounts) }, page }
        })
        // As far as the longest list, so that a cursor that lies outside of one is farther away than that.
        const scanMax = Math.max(8, ...requests.map(({ list }) => list.high - list.low + 1))
        const answers = await loadMatches(ledger.database, requests, scanMax, () => {})
        const counts = await countMatches(
          ledger.database,
          requests.map(({ list }) => list),
        )
        for (const [index, { list, page }] of requests.entries()) {
          const matching = plainEntries(rows, list.accountId)
            .filter(({ sequence }) => sequence >= list.low && sequence <= list.high)
            .filter((entry) => isMatch(entry, list.accountId, list.filter))
            .reverse()
          const { after = Number.POSITIVE_INFINITY, before = -1 } = page
          const expected = cut(matching, ({ sequence }) => sequence < after && sequence > before, page)
          const answer = answers[index] as (typeof answers)[number]
          const told = JSON.stringify({ seed, list, page }, (_, value) =>
            typeof value === 'bigint' ? `${value}` : value,
          )
          expect(
            answer.items.map(({ sequence, change, balanceAfter, transaction }) => [
              sequence,
              change,
              balanceAfter,
              transaction.id,
              transaction.createdAt,
            ]),
            told,
          ).toEqual(
            expected.map(({ sequence, change, balanceAfter, row }) => [
              sequence,
              change,
              balanceAfter,
              row.id,
              row.createdAt,
            ]),
          )
          for (const entry of answer.items) {
            if (list.filter.direction) expect(directionOf(entry)).toBe(list.filter.direction)
            if (list.filter.kind) expect(kindOf(entry.transaction)).toBe(list.filter.kind)
          }
          expect(counts[index], told).toBe(matching.length)
          if (before < after - 1) {
            const [newest, oldest] = [expected[0]?.sequence, expected.at(-1)?.sequence]
            const isDown = page.last === undefined
            const hasNewer = matching.some(({ sequence }) => sequence > (newest ?? (isDown ? after - 1 : before)))
            const hasOlder = matching.some(({ sequence }) => sequence < (oldest ?? (isDown ? after : before + 1)))
            expect([answer.hasNewer, answer.hasOlder], told).toEqual([hasNewer, hasOlder])
          }
          expect([answer.stoppedAbove, answer.stoppedBelow]).toEqual([undefined, undefined])
        }
      }),
      { numRuns: 40, endOnFailure: true },
    )
  })

  test('are all met on the way down and on the way up, however few of them a page may look through', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (seed, scanMax, size) => {
          const accounts = await makeAccounts(ledger, 3)
          const random = randomOf(seed)
          const rows = randomRows(seed, { accounts, count: 60, edges: EDGES })
          await insertRows(ledger.test.pool, rows)
          const [accountId] = accounts
          const entries = plainEntries(rows, accountId)
          const list = { accountId, low: 1, high: entries.length, filter: someFilter(random, accounts) }
          const matching = entries
            .filter((entry) => isMatch(entry, accountId, list.filter))
            .map(({ sequence }) => sequence)
          const walk = async (goesUp: boolean) => {
            const met: number[] = []
            let position: number | undefined
            for (;;) {
              const page = goesUp ? { last: size, before: position } : { first: size, after: position }
              const [answer] = await loadMatches(ledger.database, [{ list, page }], scanMax, () => {})
              const { items, hasOlder, hasNewer, stoppedAbove, stoppedBelow } = answer as NonNullable<typeof answer>
              const sequences = items.map(({ sequence }) => sequence)
              met.push(...(goesUp ? sequences.reverse() : sequences))
              if (!(goesUp ? hasNewer : hasOlder)) return met
              const next = (goesUp ? stoppedAbove : stoppedBelow) ?? met.at(-1)
              // It gets on, and never by less than it looked through.
              expect(next).not.toBe(position)
              position = next
            }
          }
          expect(await walk(false)).toEqual(matching.toReversed())
          expect(await walk(true)).toEqual(matching)
        },
      ),
      { numRuns: 30, endOnFailure: true },
    )
  })
})

describe('the whole ledger', () => {
  const compare = (one: TransactionPosition, other: TransactionPosition) =>
    one.createdAt === other.createdAt ? (one.id < other.id ? -1 : 1) : one.createdAt < other.createdAt ? -1 : 1

  function isMatchOf(filter: TransactionFilter, row: Row, currencyOf: (id: AccountId) => string | undefined): boolean {
    const { kind, currency, amountMin, amountMax, from, to } = filter
    return (
      hasWords(row, filter) &&
      (currency == null || currencyOf((row.destination ?? row.source) as AccountId) === currency) &&
      (kind == null || kindOfRow(row) === kind) &&
      (amountMin == null || row.amount >= amountMin) &&
      (amountMax == null || row.amount <= amountMax) &&
      (from == null || row.createdAt >= from) &&
      (to == null || row.createdAt < to)
    )
  }

  test('is met page by page, down and up, newest first by time and id, under every filter', async () => {
    const other = await openTestLedger()
    try {
      const mixed = await makeMixedAccounts(other)
      const currencyOf = currenciesOf(mixed)
      const rows = randomRows(7, { accounts: mixed.map(({ id }) => id), currencyOf, count: 120, edges: EDGES })
      await insertRows(other.test.pool, rows)
      await fc.assert(
        fc.asyncProperty(
          fc.integer(),
          fc.integer({ min: 1, max: 30 }),
          fc.integer({ min: 1, max: 9 }),
          async (seed, scanMax, size) => {
            const random = randomOf(seed)
            const edge = () => instantOf(microsecondsOf(random.oneOf(EDGES)) + random.upTo(3) - 1)
            const [from, to] = [edge(), edge()].sort() as [Instant, Instant]
            const filter: TransactionFilter = {
              ...(random.upTo(2) && { kind: random.oneOf(KINDS) }),
              ...(random.upTo(3) === 0 && { currency: random.oneOf(['USD', 'EUR', 'CHF']) }),
              ...someAmounts(random),
              ...someWords(random),
              ...(random.upTo(2) && { from }),
              ...(random.upTo(2) && { to }),
            }
            const matching = rows
              .filter((row) => isMatchOf(filter, row, currencyOf))
              .sort((one, two) => -compare(one, two))
            const ids = matching.map(({ id }) => id)
            expect(await countTransactions(other.database, filter)).toBe(matching.length)
            const walk = async (goesUp: boolean) => {
              const met: string[] = []
              let position: TransactionPosition | undefined
              for (;;) {
                const page = goesUp ? { last: size, before: position } : { first: size, after: position }
                const answer = await pageTransactions(other.database, page, filter, Math.max(scanMax, size + 1))
                const { items, hasOlder, hasNewer, stoppedAbove, stoppedBelow } = answer
                if (goesUp) items.reverse()
                met.push(...items.map(({ id }) => id))
                if (!(goesUp ? hasNewer : hasOlder)) return met
                position = (goesUp ? stoppedAbove : stoppedBelow) ?? items.at(-1)
              }
            }
            expect(await walk(false)).toEqual(ids)
            expect(await walk(true)).toEqual(ids.toReversed())

            // Any window, looked through as a whole.
            const at = () => (random.upTo(2) ? random.oneOf(rows) : undefined)
            const page = {
              ...(random.upTo(2) ? { first: random.upTo(9) } : { last: random.upTo(9) }),
              after: at(),
              before: at(),
            }
            const isInWindow = (row: TransactionPosition) =>
              (!page.after || compare(row, page.after) < 0) && (!page.before || compare(row, page.before) > 0)
            const answer = await pageTransactions(other.database, page, filter, 1_000)
            const expected = cut(matching, (row) => row !== page.after && row !== page.before && isInWindow(row), page)
            expect(answer.items.map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
            const [newest, oldest] = [expected[0], expected.at(-1)]
            if (newest && oldest) {
              expect(answer.hasNewer).toBe(matching.some((row) => row !== newest && compare(row, newest) > 0))
              expect(answer.hasOlder).toBe(matching.some((row) => row !== oldest && compare(row, oldest) < 0))
            }
          },
        ),
        { numRuns: 60, endOnFailure: true },
      )
    } finally {
      await other.close()
    }
  })
})

test('what is added while a page of the whole ledger is read moves its end, and repeats nothing', async () => {
  const other = await openTestLedger()
  const [payer, payee] = await makeAccounts(other, 2, 10_000n)
  for (let amount = 1n; amount <= 30n; amount++) await other.posting.post(transfer(payer, payee, amount))
  // Between the statement that finds what matches and the one that finds where it stopped.
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown
  let isFirst = true
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
    const { text = '' } = args[0] as { text?: string }
    if (!isFirst || !/offset/.test(text)) return query.apply(this, args) as never
    isFirst = false
    const added = Promise.all(Array.from({ length: 5 }, () => other.posting.post(deposit(payee, 1n))))
    return added.then(() => query.apply(this, args)) as never
  })
  const met: bigint[] = []
  for (let after: TransactionPosition | undefined; ; ) {
    const page = await pageTransactions(other.database, { first: 20, after }, { kind: 'TRANSFER' }, 10)
    met.push(...page.items.map(({ amount }) => amount))
    if (!page.hasOlder) break
    after = page.stoppedBelow ?? page.items.at(-1)
  }
  vi.restoreAllMocks()
  await other.close()
  expect(isFirst).toBe(false)
  expect(met).toEqual(Array.from({ length: 30 }, (_, index) => BigInt(30 - index)))
})

describe('through the API', () => {
  const NODES =
    'edges { cursor sequence direction change balanceAfter node { id } } pageInfo { hasNextPage endCursor hasPreviousPage startCursor } totalCount'

  test('a filter narrows an account down, and a cursor is good with each of them', async () => {
    const server = await openTestServer({ FILTER_SCAN_MAX: '200' }, ledger.test)
    try {
      const accounts = await makeAccounts(ledger, 3)
      const [accountId, otherId] = accounts
      const rows = randomRows(3, { accounts, count: 900, edges: EDGES })
      await insertRows(ledger.test.pool, rows)
      const entries = plainEntries(rows, accountId)
      const load = async (filter: Record<string, unknown> | null, page: Record<string, unknown> = {}) => {
        const { data, errors } = await server.ask(
          `query ($id: ID!, $filter: LedgerEntryFilter, $first: Int, $after: String) {
            account(id: $id) { transactions(filter: $filter, first: $first, after: $after) { ${NODES} } } }`,
          { id: accountId, filter, first: 100, ...page },
        )
        expect(errors).toBeUndefined()
        return data.account.transactions
      }
      const collect = async (filter: Record<string, unknown> | null) => {
        const met: number[] = []
        let pages = 0
        for (let after: string | null = null; ; pages++) {
          const { edges, pageInfo, totalCount } = await load(filter, after ? { after } : {})
          met.push(...edges.map(({ sequence }: { sequence: number }) => sequence))
          if (!pageInfo.hasNextPage) {
            expect(totalCount).toBe(met.length)
            return { met, pages }
          }
          after = pageInfo.endCursor
        }
      }
      const numbers = (isRight: (entry: PlainEntry) => boolean) =>
        entries
          .filter(isRight)
          .map(({ sequence }) => sequence)
          .reverse()
      const [from, to] = [entries[100]?.createdAt, entries[300]?.createdAt] as [string, string]
      const cases: [Record<string, unknown> | null, number[]][] = [
        [null, numbers(() => true)],
        [{}, numbers(() => true)],
        [{ direction: null, from: null }, numbers(() => true)],
        [{ direction: 'DEBIT' }, numbers(({ change }) => change < 0n)],
        [{ kind: 'DEPOSIT' }, numbers(({ row }) => row.source === null)],
        [{ kind: 'WITHDRAWAL' }, numbers(({ row }) => row.destination === null)],
        [{ metadata: [{ key: 'order', value: '1' }] }, numbers(({ row }) => row.metadata?.order === '1')],
        [{ metadata: [{ key: 'order', value: '3' }] }, []],
        [
          { descriptionContains: 'RENT' },
          numbers(({ row }) => row.description?.toLowerCase().includes('rent') ?? false),
        ],
        [{ reversal: true }, []],
        [{ counterpartyId: otherId }, numbers(({ row }) => row.source === otherId || row.destination === otherId)],
        [{ counterpartyId: randomUUID() }, []],
        [{ from, to }, numbers(({ createdAt }) => createdAt >= from && createdAt < to)],
        [
          { from, to, direction: 'CREDIT' },
          numbers(({ createdAt, change }) => createdAt >= from && createdAt < to && change > 0n),
        ],
        [{ from: to, to }, []],
        [{ amountMin: '90', amountMax: 95 }, numbers(({ row }) => row.amount >= 90n && row.amount <= 95n)],
        [{ amountMin: '100000' }, []],
      ]
      for (const [filter, expected] of cases)
        expect((await collect(filter)).met, JSON.stringify(filter)).toEqual(expected)
      // Nothing matches, and it still takes a page for every 200 entries to know.
      expect((await collect({ amountMin: '100000' })).pages).toBe(Math.ceil(entries.length / 200) - 1)

      const { edges } = await load({ direction: 'DEBIT' }, { first: 3 })
      const { cursor, sequence } = edges[2]
      const below = await load({ kind: 'DEPOSIT' }, { after: cursor, first: 2 })
      expect(below.edges.map((edge: { sequence: number }) => edge.sequence)).toEqual(
        numbers((entry) => entry.row.source === null && entry.sequence < sequence).slice(0, 2),
      )
      const all =
        await server.ask(`{ transactions(first: 2, filter: { kind: DEPOSIT, amountMin: 50 }) { totalCount edges { node { kind amount } } }
        users(first: 1) { totalCount } }`)
      expect(all.data.transactions.edges).toHaveLength(2)
      const { rows: counted } = await ledger.test.pool.query(
        `select (select count(*)::int from users) as users, (select count(*)::int from transactions where source_account_id is null and amount >= 50) as deposits`,
      )
      expect([all.data.users.totalCount, all.data.transactions.totalCount]).toEqual([
        counted[0].users,
        counted[0].deposits,
      ])
    } finally {
      await server.close()
    }
  })
})
