import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillLedger } from '../../bench/database.ts'
import { type Database, databaseOf } from '../../src/db/pool.ts'
import { readBalanceBuckets } from '../../src/ledger/statements/read-balance-buckets.ts'
import { readBalancesAsOf } from '../../src/ledger/statements/read-balances-as-of.ts'
import { readCheckpointGaps } from '../../src/ledger/statements/read-checkpoint-gaps.ts'
import { readEntries } from '../../src/ledger/statements/read-entries.ts'
import { readHeads } from '../../src/ledger/statements/read-heads.ts'
import { rebuildCheckpoints } from '../../src/ledger/upkeep/checkpoints.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'

/*
 * How PostgreSQL runs the statements that read private.entries: as if they named the two indexes behind it. A statement that
 * is prepared may have a generic plan, or one for its values, so both are looked at.
 */

const ACCOUNTS = 200
/** Each account has about 200 entries. */
const TRANSFERS = 20_000

let database: TestDatabase
let client: pg.Client
let ids: string[]
let middle: string

beforeAll(async () => {
  database = await openTestDatabase()
  ids = await fillLedger(database.url, { accounts: ACCOUNTS, transfers: TRANSFERS })
  await rebuildCheckpoints(databaseOf(database.pool))
  await database.pool.query('vacuum analyze private.balance_checkpoints')
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query(
    'select created_at::text from transactions order by created_at offset $1 limit 1',
    [TRANSFERS / 2],
  )
  middle = rows[0].created_at
})

afterAll(async () => {
  await client.end()
  await database.close()
})

interface Node {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Node[]
}

/** The scans of a plan that read the ledger. */
function scansOf(node: Node): Node[] {
  const below = (node.Plans ?? []).flatMap(scansOf)
  return node['Relation Name'] === 'transactions' ? [node, ...below] : below
}

/** The entries that scans read, those that they left out included. */
const entriesRead = (scans: readonly Node[]) =>
  scans.reduce(
    (sum, scan) => sum + (scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0)) * scan['Actual Loops'],
    0,
  )

interface Statement {
  name: string
  prepare: (database: Database) => { getQuery(): { sql: string; params: unknown[] } }
  values: () => Record<string, unknown[] | number>
  /** The most entries that it may read: a gap between checkpoints for each account, and what it returns. */
  entriesMax: number
}

const STATEMENTS: Statement[] = [
  { name: 'the heads of all accounts', prepare: readHeads, values: () => ({ ids }), entriesMax: ACCOUNTS * 32 },
  {
    name: 'balances at a moment',
    prepare: readBalancesAsOf,
    values: () => ({ ids, moments: ids.map(() => middle) }),
    entriesMax: ACCOUNTS * (32 + 2),
  },
  {
    name: 'a history of balances',
    prepare: readBalanceBuckets,
    values: () => ({ ids: ids.slice(0, 1), places: [1], windows: [`{${middle},${middle}}`] }),
    entriesMax: 32 + 2,
  },
  {
    name: 'gaps between checkpoints',
    prepare: readCheckpointGaps,
    values: () => ({ length: 32 }),
    entriesMax: ACCOUNTS * 4,
  },
]

const literal = (value: unknown[] | number | undefined) =>
  Array.isArray(value) ? `'{${value.map((item) => `"${item}"`).join()}}'` : String(value)

async function explain({ prepare, values }: Omit<Statement, 'name' | 'entriesMax'>, mode: string): Promise<Node[]> {
  const { sql, params } = prepare(drizzle(client)).getQuery()
  const given = values()
  await client.query(`set plan_cache_mode = ${mode}; prepare explained as ${sql}`)
  const list = (params as { name: string }[]).map(({ name }) => literal(given[name])).join()
  const { rows } = await client.query(`explain (analyze, format json) execute explained (${list})`)
  await client.query('deallocate explained')
  return scansOf(rows[0]['QUERY PLAN'][0].Plan)
}

describe.each(['force_generic_plan', 'force_custom_plan'])('%s', (mode) => {
  test.each(STATEMENTS.map((statement) => [statement.name, statement] as const))(
    '%s: indexes alone',
    async (_name, statement) => {
      const scans = await explain(statement, mode)
      expect(scans.length).toBeGreaterThanOrEqual(2)
      expect(new Set(scans.map((scan) => scan['Node Type']))).toEqual(new Set(['Index Only Scan']))
      expect(entriesRead(scans)).toBeLessThanOrEqual(statement.entriesMax)
    },
  )

  test('a page is found by indexes, however long the ledger is', async () => {
    const page = () => ({ ids: ids.slice(0, 1), lows: [100], highs: [149] })
    const scans = await explain({ prepare: readEntries, values: page }, mode)
    expect(scans.map((scan) => scan['Node Type'])).not.toContain('Seq Scan')
    expect(entriesRead(scans)).toBeLessThanOrEqual(50 + 32)
  })
})
