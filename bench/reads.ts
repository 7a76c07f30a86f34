import { parseArgs } from 'node:util'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { readConfig } from '../src/config.ts'
import type { AccountId } from '../src/db/ids.ts'
import { instantOf, toInstant } from '../src/db/instant.ts'
import { databaseOf, openPool } from '../src/db/pool.ts'
import { type Ledger, openLedger } from '../src/ledger/ledger.ts'
import { readBalancesAsOf } from '../src/ledger/statements/read-balances-as-of.ts'
import { readHeads } from '../src/ledger/statements/read-heads.ts'
import { rebuildCheckpoints } from '../src/ledger/upkeep/checkpoints.ts'
import { createLogger } from '../src/server/log.ts'
import { ledgerOptions } from '../src/server/options.ts'
import { openServer } from '../src/server/server.ts'
import { openBenchServer } from './database.ts'
import { inTurns, median, percentile, table } from './measure.ts'
import { fillMetadata, measureMetadata } from './metadata-filters.ts'
import { makeToken } from './token.ts'

/*
 * Reads: balances of accounts of very different lengths, pages at both ends of a long account, histories of fifty accounts,
 * and pages filtered by metadata.
 * What is compared takes turns, one sample each, so that all of them see the same machine.
 */

const { values: options } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000,10000,100000,1000000' },
    samples: { type: 'string', default: '1000' },
  },
})
const LENGTHS = options.entries.split(',').map(Number)
const SAMPLES = Number(options.samples)
const DAY_SECONDS = 86_400
const YEAR_DAYS = 365

const ms = (value: number) => (value < 10 ? value.toFixed(3) : value.toFixed(1))
const ratio = (value: number) => value.toFixed(2)

/**
 * Accounts with so many entries each, spread evenly over the year before today: deposits of two cents and transfers of
 * one in turn. Its foreign keys are dropped, since reads do not look at them: ten million rows in minutes.
 */
async function fillAccounts(url: string, lengths: readonly number[], accounts: number): Promise<AccountId[][]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`alter table transactions drop constraint transactions_source_account_id_accounts_id_fk,
      drop constraint transactions_destination_account_id_accounts_id_fk`)
    await client.query(
      `create temporary table holder as
       select place, member, gen_random_uuid() as id, gen_random_uuid() as payee, length
       from unnest($1::int[]) with ordinality as given (length, place), generate_series(1, $2::int) member`,
      [lengths, accounts],
    )
    await client.query(`insert into users (id, email) select id, id || '@example.com' from holder
      union all select payee, payee || '@example.com' from holder`)
    await client.query(`
      insert into transactions
      select overlay(gen_random_uuid()::text placing lpad(to_hex(number), 8, '0') from 1)::uuid,
        overlay(gen_random_uuid()::text placing lpad(to_hex(number), 8, '0') from 1)::uuid,
        case when number % 2 = 0 then id end, case when number % 2 = 0 then number end,
        case when number % 2 = 0 then payee else id end, case when number % 2 = 0 then number / 2 else number end,
        case when number % 2 = 0 then 1 else 2 end,
        date_trunc('day', now()) - interval '${YEAR_DAYS} days' + interval '${YEAR_DAYS} days' * (number::float8 / (length + 1))
      from holder, generate_series(1, length) number`)
    const { rows } = await client.query<{ ids: AccountId[] }>(
      'select array_agg(id::text) as ids from holder group by place order by place',
    )
    return rows.map(({ ids }) => ids)
  } finally {
    await client.end()
  }
}

const openBenchPool = (url: string, connectionsMax: number) =>
  openPool({
    url,
    name: 'bench',
    connectionsMax,
    preparedStatements: true,
    connectTimeoutMs: 5_000,
    answerTimeoutMs: 3_600_000,
  })

async function prepareDatabase(name: string, lengths: readonly number[], accounts = 1) {
  const url = await server.createDatabase(name)
  const started = performance.now()
  const ids = await fillAccounts(url, lengths, accounts)
  const pool = openBenchPool(url, 1)
  await rebuildCheckpoints(databaseOf(pool))
  await pool.query('vacuum analyze')
  await pool.end()
  const seconds = Math.round((performance.now() - started) / 1_000)
  console.log(`\n${lengths.join(', ')} entries for ${accounts} accounts each: filled in ${seconds} s`)
  return { url, ids }
}

/** What PostgreSQL says that a statement took to run, planning apart. */
async function executionMs(client: pg.Client, { sql, params }: { sql: string; params: unknown[] }): Promise<number> {
  const { rows } = await client.query(`explain (analyze, timing off, format json) ${sql}`, params)
  return rows[0]['QUERY PLAN'][0]['Execution Time']
}

async function measureBalances(url: string, accounts: readonly AccountId[]): Promise<void> {
  const ledger = await openLedger(ledgerOptions(readConfig({}), url, console.error))
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const database = drizzle(client)
  const yearAgo = Date.now() - YEAR_DAYS * DAY_SECONDS * 1_000
  const someMoment = () =>
    instantOf(Math.floor((yearAgo + Math.random() * (YEAR_DAYS - 1) * DAY_SECONDS * 1_000) * 1_000))
  const work: Record<string, () => Promise<unknown>> = {}
  const executions: Record<string, number[]> = {}
  for (const [index, id] of accounts.entries()) {
    work[`now ${index}`] = () => ledger.balances.current([id])
    work[`asOf ${index}`] = () => ledger.balances.asOf([{ accountId: id, asOf: someMoment() }])
    const executed = (name: string, sql: string, params: () => unknown[]) => {
      executions[name] = []
      work[`explained ${name}`] = async () =>
        executions[name]?.push(await executionMs(client, { sql, params: params() }))
    }
    executed(`now ${index}`, readHeads(database).getQuery().sql, () => [[id]])
    executed(`asOf ${index}`, readBalancesAsOf(database).getQuery().sql, () => [[id], [someMoment()]])
  }
  const times = await inTurns(SAMPLES, work)
  const rows = LENGTHS.map((length, index) => {
    const cells = ['now', 'asOf'].flatMap((kind) => {
      const whole = percentile(times[`${kind} ${index}`] as number[], 0.95)
      const first = percentile(times[`${kind} 0`] as number[], 0.95)
      return [ms(percentile(executions[`${kind} ${index}`] as number[], 0.95)), ms(whole), ratio(whole / first)]
    })
    return [length.toLocaleString('en'), ...cells]
  })
  console.log(
    `\nBalance of one account, p95 of ${SAMPLES} samples, ms: as PostgreSQL ran it, and as the ledger answered\n`,
  )
  console.log(table(['entries', 'now: PostgreSQL', 'answered', 'ratio', 'asOf: PostgreSQL', 'answered', 'ratio'], rows))

  const longest = accounts.at(-1) as AccountId
  const whole = await inTurns(5, {
    sum: () =>
      client.query(
        `select (select coalesce(sum(amount), 0) from transactions where destination_account_id = $1)
          - (select coalesce(sum(amount), 0) from transactions where source_account_id = $1)`,
        [longest],
      ),
    checkpoint: () => ledger.balances.current([longest]),
  })
  console.log(
    `\nThe same balance of ${LENGTHS.at(-1)?.toLocaleString('en')} entries as a plain sum: ${ms(median(whole.sum))} ms, by checkpoint and tail ${ms(median(whole.checkpoint))} ms`,
  )
  await client.end()
  await measurePages(ledger, longest)
  await ledger.close()
}

async function measurePages(ledger: Ledger, accountId: AccountId): Promise<void> {
  const length = LENGTHS.at(-1) as number
  const list = { accountId, low: 1, high: length, filter: { direction: 'DEBIT' as const } }
  const matches = (page: { first?: number; last?: number; after?: number }) => ledger.entries.page([{ list, page }])
  const places = { newest: length, middle: Math.floor(length / 2), oldest: 20 }
  const work = Object.fromEntries(
    Object.entries(places).flatMap(([name, high]) => [
      [name, () => ledger.entries.load([{ accountId, low: high - 19, high }])],
      [`${name}, debits`, () => matches({ first: 20, after: Math.max(high, 50) + 1 })],
    ]),
  )
  const times = await inTurns(SAMPLES, work)
  const [plain, filtered] = [times.newest, times['newest, debits']] as [number[], number[]]
  console.log(`\nA page of 20 of an account with ${length.toLocaleString('en')} entries, ms\n`)
  console.log(
    table(
      ['page', 'median', 'p95', 'ratio to the newest'],
      Object.entries(times).map(([name, each]) => [
        name,
        ms(median(each)),
        ms(percentile(each, 0.95)),
        ratio(median(each) / median(name.endsWith('debits') ? filtered : plain)),
      ]),
    ),
  )
}

const HISTORY = `query ($ids: [ID!]!, $from: DateTime!, $to: DateTime!) {
  nodes(ids: $ids) { ... on Account {
    balanceHistory(from: $from, to: $to, bucket: DAY, timeZone: "Europe/Paris") {
      start end opening closing lowest highest credited debited entryCount } } } }`

async function measureHistories(
  url: string,
  groups: readonly (readonly AccountId[])[],
  lengths: readonly number[],
): Promise<void> {
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', LOG_LEVEL: 'silent' })
  const token = await makeToken(url)
  const running = await openServer(config, url, createLogger('silent', process.stdout))
  const ledger = await openLedger(ledgerOptions(config, url, console.error))
  // Local midnight to local midnight, so that there are 365 whole days.
  const day = new Date(Date.now() - 2 * DAY_SECONDS * 1_000).toISOString().slice(0, 10)
  const to = toInstant(`${day}T23:00:00.000000Z`)
  const from = instantOf((Date.parse(to) - YEAR_DAYS * DAY_SECONDS * 1_000) * 1_000)
  const work: Record<string, () => Promise<unknown>> = {}
  let buckets = 0
  for (const [index, ids] of groups.entries()) {
    work[`ledger ${index}`] = async () => {
      const requests = ids.map((accountId) => ({
        accountId,
        from,
        to,
        bucket: 'DAY' as const,
        timeZone: 'Europe/Paris',
      }))
      const answers = await ledger.histories.load(requests)
      buckets = (answers[0] as unknown[]).length
    }
    work[`http ${index}`] = async () => {
      const response = await fetch(`${running.address}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: HISTORY, variables: { ids: ids.map((id) => `account_${id}`), from, to } }),
      })
      const { data, errors } = (await response.json()) as {
        data: { nodes: { balanceHistory: unknown[] }[] }
        errors?: unknown
      }
      if (errors || data.nodes[0]?.balanceHistory.length !== buckets) throw new Error(JSON.stringify(errors))
    }
  }
  const times = await inTurns(40, work)
  console.log(`\nHistories of ${groups[0]?.length} accounts, ${buckets} daily buckets each, all nine fields, ms\n`)
  console.log(
    table(
      ['entries an account', 'ledger: median', 'p95', 'GraphQL over HTTP: median', 'p95'],
      lengths.map((length, index) => [
        String(length),
        ...['ledger', 'http'].flatMap((kind) => {
          const each = times[`${kind} ${index}`] as number[]
          return [ms(median(each)), ms(percentile(each, 0.95))]
        }),
      ]),
    ),
  )
  await measureCallers(ledger, url, groups.flat())
  await ledger.close()
  await running.close()
}

/** A hundred callers, each asking for one balance after another: joined into statements, and one by one. */
async function measureCallers(ledger: Ledger, url: string, ids: readonly AccountId[]): Promise<void> {
  const seconds = 3
  const some = () => ids[Math.floor(Math.random() * ids.length)] as AccountId
  const slice = async (read: (id: AccountId) => Promise<unknown>) => {
    let answered = 0
    const end = performance.now() + seconds * 1_000
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        for (; performance.now() < end; answered++) await read(some())
      }),
    )
    return answered / seconds
  }
  // As many connections as the ledger has for reads.
  const pool = openBenchPool(url, 10)
  const database = databaseOf(pool)
  const joined: number[] = []
  const single: number[] = []
  for (let round = 0; round < 3; round++) {
    joined.push(await slice((id) => ledger.balances.current([id])))
    single.push(await slice((id) => readHeads(database).execute({ ids: [id] })))
  }
  await pool.end()
  const [one, other] = [median(joined), median(single)]
  console.log(
    `\n100 callers of balances: ${Math.round(one).toLocaleString('en')} reads/s joined, ${Math.round(other).toLocaleString('en')} one by one: ratio ${ratio(one / other)}`,
  )
}

const server = await openBenchServer()
try {
  console.log(`PostgreSQL ${server.version}, Node ${process.version}`)
  const lengths = [1_000, 100]
  const histories = await prepareDatabase('bench_histories', lengths, 50)
  await measureHistories(histories.url, histories.ids, lengths)
  const balances = await prepareDatabase('bench_balances', LENGTHS)
  await measureBalances(
    balances.url,
    balances.ids.map(([id]) => id as AccountId),
  )
  const metadata = await server.createDatabase('bench_metadata')
  const count = LENGTHS.at(-1) as number
  await measureMetadata(metadata, await fillMetadata(metadata, count), { count, samples: Math.ceil(SAMPLES / 10) })
} finally {
  await server.close()
}
