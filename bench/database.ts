import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { openEmbedded } from '../src/db/embedded/embedded.ts'
import type { AccountId } from '../src/db/ids.ts'
import { migrateDatabase } from '../src/db/migrate.ts'

/*
 * Databases for benchmarks: on the PostgreSQL of DATABASE_URL (whose role may create databases), else on an embedded
 * one in a folder that is removed at the end.
 */

export interface BenchServer {
  /** What PostgreSQL says it is. */
  version: string
  /** A migrated, empty database; or a copy of another one, to which nobody may be connected. */
  createDatabase(name: string, template?: string): Promise<string>
  /** The same database for somebody who may do more: of the embedded PostgreSQL, its superuser. */
  asAdmin(url: string): string
  close(): Promise<void>
}

/** @param preload a library that the embedded PostgreSQL is to start with. */
export async function openBenchServer({ preload }: { preload?: string } = {}): Promise<BenchServer> {
  const closers: (() => Promise<unknown>)[] = []
  let url = process.env.DATABASE_URL
  const isEmbedded = !url
  if (!url) {
    const folder = await mkdtemp(join(tmpdir(), 'thesaurum-bench-'))
    closers.unshift(() => rm(folder, { recursive: true, force: true }))
    const open = () => openEmbedded({ dataDir: folder, log: () => {} })
    let embedded = await open()
    if (preload) {
      await preloadLibrary(superuserOf(embedded.url), preload)
      await embedded.close()
      embedded = await open()
    }
    closers.unshift(() => embedded.close())
    // Its PostgreSQL does not hear Ctrl-C, and would stay behind.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, async () => {
        await embedded.close()
        await rm(folder, { recursive: true, force: true })
        process.exit(1)
      })
    }
    url = embedded.url
  }
  const client = new pg.Client({ connectionString: url })
  // When PostgreSQL goes first, as after Ctrl-C.
  client.on('error', () => {})
  await client.connect()
  closers.unshift(() => client.end())
  const { rows } = await client.query('show server_version')
  const names: string[] = []
  closers.unshift(async () => {
    for (const name of names) await client.query(`drop database if exists ${name} with (force)`)
  })
  return {
    version: rows[0].server_version,
    async createDatabase(name, template) {
      await client.query(`drop database if exists ${name} with (force)`)
      await client.query(`create database ${name} ${template ? `template ${template}` : ''}`)
      names.push(name)
      const database = new URL(url)
      database.pathname = `/${name}`
      if (!template) await migrateDatabase(database.href)
      return database.href
    },
    asAdmin: (url) => (isEmbedded ? superuserOf(url) : url),
    async close() {
      for (const close of closers) await close()
    },
  }
}

/** They share the password that was made for the cluster. */
function superuserOf(url: string): string {
  return Object.assign(new URL(url), { username: 'postgres' }).href
}

/** From the next start on. */
async function preloadLibrary(url: string, library: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`alter system set shared_preload_libraries = ${pg.escapeLiteral(library)}`)
  await client.end()
}

/** What every account is given first, in cents. */
const OPENING_BALANCE = 10n ** 10n

/**
 * Fills a ledger by SQL: accounts with their opening deposits, then transfers of one cent between random ones, one
 * microsecond after another until a minute ago.
 *
 * @returns the ids of the accounts.
 */
export async function fillLedger(
  url: string,
  { accounts, transfers }: { accounts: number; transfers: number },
): Promise<AccountId[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`
      insert into users (id, email)
      select overlay(gen_random_uuid()::text placing lpad(to_hex(number), 8, '0') from 1)::uuid, 'account' || number || '@example.com'
      from generate_series(1, ${accounts}) number`)
    await client.query(`
      create temporary table wish as
      select number, null::uuid as source, id as destination, ${OPENING_BALANCE}::bigint as amount
      from (select id, row_number() over (order by id) as number from users) account
      union all
      select ${accounts} + number, one.id, other.id, 1
      from (
        select number, floor(random() * ${accounts})::int as source, floor(random() * ${accounts - 1})::int as step
        from generate_series(1, ${transfers}) number
      ) pair
      join (select id, row_number() over (order by id) - 1 as place from users) one on one.place = pair.source
      join (select id, row_number() over (order by id) - 1 as place from users) other
        on other.place = (pair.source + 1 + pair.step) % ${accounts}`)
    await client.query(`
      create temporary table numbered as
      select number, side, row_number() over (partition by account order by number) as sequence from (
        select number, destination as account, 'credit' as side from wish
        union all select number, source, 'debit' from wish where source is not null
      ) entry`)
    await client.query(`
      insert into transactions
      select gen_random_uuid(), gen_random_uuid(), source, debit.sequence, destination, credit.sequence, amount,
        now() - interval '1 minute' - (${accounts + transfers} - wish.number) * interval '1 microsecond'
      from wish
      join numbered credit on credit.number = wish.number and credit.side = 'credit'
      left join numbered debit on debit.number = wish.number and debit.side = 'debit'
      order by wish.number`)
    await client.query('vacuum analyze')
    const { rows } = await client.query('select id from users order by id')
    return rows.map((row) => row.id)
  } finally {
    await client.end()
  }
}
