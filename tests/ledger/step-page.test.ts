import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { type Database, databaseOf } from '../../src/db/pool.ts'
import { readStepPage, type StepLimits } from '../../src/ledger/feed/step-page.ts'
import { type FeedPosition, type StepRequest, stepAfter } from '../../src/ledger/model/feed-step.ts'
import type { LedgerTransaction } from '../../src/ledger/model/transaction.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { randomOf } from '../support/random-ledger.ts'

/*
 * Histories in which database transactions overlap: each gets its number early, takes accounts one by one, and commits
 * late. However the backlog is cut, each transaction comes once and each account in its order.
 */

let ledger: TestLedger
let database: Database
beforeAll(async () => {
  ledger = await openTestLedger()
  database = databaseOf(ledger.test.pool)
})
afterAll(() => ledger.close())

interface Row {
  id: string
  sides: [account: string, sequence: number][]
}

interface History {
  /** Positions from before, in and after it, with what was committed by then. */
  positions: { position: FeedPosition; seen: ReadonlySet<string> }[]
  /** All of it. */
  rows: Row[]
  /** How often an entry follows on one of a database transaction with a higher number. */
  inversionCount: number
}

/** Writes a history by hand, as engines do: an account is locked from its first entry in a transaction to the commit. */
async function writeHistory(seed: number, transactionCount: number): Promise<History> {
  const { upTo, oneOf } = randomOf(seed)
  const accounts = await makeAccounts(ledger, 8)
  const last = new Map(accounts.map((id) => [id, { sequence: 0, time: 0, writer: 0n }]))
  const lockedBy = new Map<string, object>()
  const committed = new Set<string>()
  const rows: Row[] = []
  const open: { client: pg.Client; xid: bigint; rows: Row[] }[] = []
  const positions: History['positions'] = []
  let [begun, inversionCount] = [0, 0]
  const takePosition = async () => {
    positions.push({ position: await ledger.transactionFeed.now(), seen: new Set(committed) })
  }
  await takePosition()
  while (begun < transactionCount || open.length > 0) {
    const what = upTo(10)
    if (begun < transactionCount && open.length < 6 && (open.length === 0 || what < 3)) {
      const client = new pg.Client({ connectionString: ledger.test.url })
      await client.connect()
      await client.query('begin')
      const { rows: taken } = await client.query('select pg_current_xact_id()::text as xid')
      open.push({ client, xid: BigInt(taken[0].xid), rows: [] })
      begun++
      continue
    }
    const writer = oneOf(open)
    if (what < 8) {
      const free = accounts.filter((id) => (lockedBy.get(id) ?? writer) === writer)
      const sides = [oneOf(free), oneOf(free)].filter((id, at, all) => id !== undefined && all.indexOf(id) === at)
      if (sides.length === 0) continue
      const entries = sides.map((id) => last.get(id as AccountId) as { sequence: number; time: number; writer: bigint })
      // The clock, or after it where an account is ahead; another account's clock may lie behind.
      const time = Math.max(rows.length * 10 + upTo(100), ...entries.map((entry) => entry.time + 1))
      const numbered = sides.map((id, at): [string, number] => [
        id as string,
        (entries[at] as { sequence: number }).sequence + 1,
      ])
      for (const [at, id] of sides.entries()) {
        if ((entries[at] as { writer: bigint }).writer > writer.xid) inversionCount++
        last.set(id as AccountId, { sequence: (numbered[at] as [string, number])[1], time, writer: writer.xid })
        lockedBy.set(id as string, writer)
      }
      // One side alone comes in or leaves.
      const [destination, source] = numbered.length === 1 && upTo(2) ? [undefined, ...numbered] : numbered
      const row = { id: randomUUID(), sides: numbered }
      await writer.client.query(
        `insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at)
         values ($1, $1, $2, $3, $4, $5, 1, '2026-01-01'::timestamptz + $6 * interval '1 microsecond')`,
        [row.id, source?.[0] ?? null, source?.[1] ?? null, destination?.[0] ?? null, destination?.[1] ?? null, time],
      )
      writer.rows.push(row)
    } else {
      await writer.client.query('commit')
      await writer.client.end()
      open.splice(open.indexOf(writer), 1)
      for (const [id, holder] of lockedBy) if (holder === writer) lockedBy.delete(id)
      for (const row of writer.rows) committed.add(row.id)
      rows.push(...writer.rows)
      if (upTo(8) === 0) await takePosition()
    }
  }
  await takePosition()
  return { positions, rows, inversionCount }
}

interface Seen {
  transaction: LedgerTransaction
  position: FeedPosition
}

/** Everything from a position on, as a subscriber reads it. `limitsOf` gives the limits for each page. */
async function readOn(from: FeedPosition, limitsOf: () => StepLimits): Promise<Seen[]> {
  const seen: Seen[] = []
  const isWholeStep = from.after === null && from.previous === from.snapshot
  let step: StepRequest = isWholeStep ? { ...from, snapshot: null } : from
  for (;;) {
    const page = await readStepPage(database, step, limitsOf())
    for (const transaction of page.transactions) {
      const { createdAt, id } = transaction
      seen.push({
        transaction,
        position: { previous: step.previous, snapshot: page.snapshot, after: { createdAt, id } },
      })
    }
    if (step.snapshot === null && page.isLast && page.isWhole) return seen
    step = stepAfter(step, page)
  }
}

function check(seen: readonly Seen[], before: ReadonlySet<string>, { rows }: History): void {
  const ids = seen.map(({ transaction }) => transaction.id)
  const expected = rows.filter(({ id }) => !before.has(id))
  expect(ids.toSorted()).toEqual(expected.map(({ id }) => id).toSorted())
  const sides = new Map(rows.map((row) => [row.id, row.sides]))
  const last = new Map<string, number>()
  for (const { id, sides } of rows) {
    if (!before.has(id)) continue
    for (const [account, sequence] of sides) last.set(account, Math.max(last.get(account) ?? 0, sequence))
  }
  for (const id of ids) {
    for (const [account, sequence] of sides.get(id) ?? []) {
      expect(sequence).toBe((last.get(account) ?? 0) + 1)
      last.set(account, sequence)
    }
  }
}

const limits = (stepRowsMax: number, pageRowsMax: number, sortedRowsMax = 10_000): StepLimits => ({
  stepRowsMax,
  pageRowsMax,
  sortedRowsMax,
  mergedXidsMax: 1_000,
})
/** As before there were intermediate snapshots: a step is never cut. */
const UNCUT = limits(1_000_000, 3)

describe.each([1, 2])('history %i', (seed) => {
  let history: History
  beforeAll(async () => {
    history = await writeHistory(seed, 40)
    expect(history.inversionCount).toBeGreaterThan(5)
  })

  test.each([
    ['at every transaction', limits(1, 1)],
    ['at every second row', limits(2, 3)],
    ['at every fifth row', limits(5, 2)],
    ['now and then', limits(20, 7)],
    ['never', UNCUT],
  ])('cut %s: from any position each transaction comes once, and each account in its order', async (_how, cut) => {
    for (const { position, seen } of history.positions) check(await readOn(position, () => cut), seen, history)
  })

  test('from any event on, whoever made its cursor, the rest follows', async () => {
    const { upTo, oneOf } = randomOf(seed)
    const { positions } = history
    const [start] = positions as [(typeof positions)[number]]
    for (const cut of [limits(1, 1), limits(4, 2), UNCUT]) {
      const all = await readOn(start.position, () => cut)
      for (let at = upTo(5); at < all.length; at += 1 + upTo(20)) {
        const before = new Set(all.slice(0, at + 1).map(({ transaction }) => transaction.id))
        const rest = await readOn((all[at] as Seen).position, () => limits(1 + upTo(9), oneOf([1, 2, 50])))
        check(rest, before, history)
      }
    }
  })
})

test('database transactions with too many rows to sort are read in the order of time, also one that was in flight', async () => {
  const accounts = await makeAccounts(ledger, 3)
  const fill = (client: Pick<pg.Client, 'query'>, account: number, count: number) =>
    client.query(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       select gen_random_uuid(), gen_random_uuid(), $1, number, 1, '2026-01-01'::timestamptz + number * interval '1 second'
       from generate_series(1, ${count}) number`,
      [accounts[account]],
    )
  const late = new pg.Client({ connectionString: ledger.test.url })
  await late.connect()
  await late.query('begin')
  await fill(late, 0, 40)
  const { position } = { position: await ledger.transactionFeed.now() }
  await fill(ledger.test.pool, 1, 50)
  await fill(ledger.test.pool, 2, 60)
  await late.query('commit')
  await late.end()
  const large = { ...limits(5, 7, 10), mergedXidsMax: 10 }
  const seen = await readOn(position, () => large)
  expect(seen).toHaveLength(150)
  for (const [at, account] of accounts.entries()) {
    const sequences = seen
      .map(({ transaction }) => transaction)
      .filter(({ destinationAccountId }) => destinationAccountId === account)
      .map(({ destinationSequence }) => destinationSequence)
    expect(sequences).toEqual(Array.from({ length: [40, 50, 60][at] as number }, (_, index) => index + 1))
  }
  for (const at of [0, 39, 40, 77, 149]) {
    const rest = await readOn((seen[at] as Seen).position, () => large)
    expect(rest.map(({ transaction }) => transaction.id)).toEqual(
      seen.slice(at + 1).map(({ transaction }) => transaction.id),
    )
  }
  // As a cursor of before stands in a long step of many database transactions.
  const uncut = await readOn(position, () => UNCUT)
  const rest = await readOn((uncut[20] as Seen).position, () => ({ ...large, mergedXidsMax: 1 }))
  expect(rest.map(({ transaction }) => transaction.id)).toEqual(
    uncut.slice(21).map(({ transaction }) => transaction.id),
  )
})

test('what was in flight is delivered after what it follows on, however many rows all that was in flight has', async () => {
  const accounts = await makeAccounts(ledger, 6)
  const fill = (client: Pick<pg.Client, 'query'>, account: number, from: number, to: number) =>
    client.query(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       select gen_random_uuid(), gen_random_uuid(), $1, number, 1, clock_timestamp() from generate_series($2::int, $3::int) number`,
      [accounts[account], from, to],
    )
  const begin = async () => {
    const client = new pg.Client({ connectionString: ledger.test.url })
    await client.connect()
    await client.query('begin')
    await client.query('select pg_current_xact_id()')
    return client
  }
  const [first, second] = [await begin(), await begin()]
  await fill(ledger.test.pool, 0, 1, 1)
  const position = await ledger.transactionFeed.now()
  await fill(ledger.test.pool, 0, 2, 4)
  await fill(ledger.test.pool, 0, 5, 7)
  await fill(ledger.test.pool, 1, 1, 1)
  await fill(first, 2, 1, 8)
  await fill(second, 3, 1, 7)
  // The last of 16 rows follows on one that is beyond the first cut.
  await fill(second, 1, 2, 2)
  for (const client of [first, second]) {
    await client.query('commit')
    await client.end()
  }
  const seen = await readOn(position, () => limits(5, 7, 10))
  expect(seen).toHaveLength(23)
  const sequences = seen
    .filter(({ transaction }) => transaction.destinationAccountId === accounts[1])
    .map(({ transaction }) => transaction.destinationSequence)
  expect(sequences).toEqual([1, 2])
})
