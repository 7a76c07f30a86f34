import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { migrateDatabase } from '../../src/db/migrate.ts'
import { UnsuitableDatabaseError } from '../../src/db/unsuitable-database-error.ts'
import { openEmptyDatabase, queryOnce } from '../support/database.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const journal = async (): Promise<{ entries: { tag: string }[] }> =>
  JSON.parse(await readFile(join(root, 'drizzle/meta/_journal.json'), 'utf8'))

test('twenty servers that migrate one empty database at once migrate it once', async () => {
  const { url } = await openEmptyDatabase()
  await Promise.all(Array.from({ length: 20 }, () => migrateDatabase(url)))
  const ran = await queryOnce(url, 'select hash from drizzle.__drizzle_migrations')
  expect(ran).toHaveLength((await journal()).entries.length)
  const [first] = await queryOnce(url, 'select era from private.ledger')
  await migrateDatabase(url)
  expect(await queryOnce(url, 'select era from private.ledger')).toEqual([first])
  expect(await queryOnce(url, 'select hash from drizzle.__drizzle_migrations')).toEqual(ran)
})

test('two databases are of two eras', async () => {
  const databases = [await openEmptyDatabase(), await openEmptyDatabase()]
  await Promise.all(databases.map(({ url }) => migrateDatabase(url)))
  const eras = await Promise.all(databases.map(({ url }) => queryOnce(url, 'select era from private.ledger')))
  expect(eras[0]).not.toEqual(eras[1])
})

test.each([
  ['that may lose what was acknowledged', /synchronous_commit is off/, 'synchronous_commit = off', ''],
  ['that cannot hold every name', /SQL_ASCII.*UTF8/, '', `encoding 'SQL_ASCII' locale 'C' template template0`],
])('a database %s is refused and left as it is', async (_what, reason, setting, options) => {
  const { name, url } = await openEmptyDatabase(options)
  if (setting) await queryOnce(url, `alter database ${name} set ${setting}`)
  const refused = migrateDatabase(url)
  await expect(refused).rejects.toThrow(UnsuitableDatabaseError)
  await expect(refused).rejects.toThrow(reason)
  expect(await queryOnce(url, `select from pg_namespace where nspname in ('drizzle', 'private')`)).toEqual([])
})

test('a schema that a newer version has changed is refused in a sentence, and one that it has only added to is used', async () => {
  const { url } = await openEmptyDatabase()
  await migrateDatabase(url)
  await queryOnce(url, 'alter table users add column nickname text')
  await queryOnce(url, "insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 9e12)")
  expect(await migrateDatabase(url)).toBe(0)
  for (const change of ['rename column email to address', 'drop column role']) {
    await queryOnce(url, `begin; alter table users ${change}; commit`)
    const refused = migrateDatabase(url)
    await expect(refused).rejects.toThrow(UnsuitableDatabaseError)
    await expect(refused).rejects.toThrow(/a newer version of Thesaurum has changed its schema\. Start that version\.$/)
    if (change.startsWith('rename')) await queryOnce(url, 'alter table users rename column address to email')
  }
})

test('a migration that fails leaves nothing behind, and lets go of its lock', async () => {
  const { url } = await openEmptyDatabase()
  await queryOnce(url, 'create table public.transactions (in_the_way int)')
  await expect(migrateDatabase(url)).rejects.toThrow()
  expect(await queryOnce(url, `select tablename from pg_tables where schemaname in ('public', 'private')`)).toEqual([
    { tablename: 'transactions' },
  ])
  await queryOnce(url, 'drop table public.transactions')
  await migrateDatabase(url)
  expect(await queryOnce(url, 'select from private.ledger')).toHaveLength(1)
})

test('the migrations are those of the tables: drizzle-kit finds nothing to generate', async () => {
  const copy = await mkdtemp(join(tmpdir(), 'thesaurum-migrations-'))
  try {
    await cp(join(root, 'drizzle'), copy, { recursive: true })
    const before = await readdir(copy, { recursive: true })
    const parameters = ['--dialect', 'postgresql', '--schema', './src/db/*tables.ts', '--out', relative(root, copy)]
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(root, 'node_modules/drizzle-kit/bin.cjs'), 'generate', ...parameters],
      { cwd: root },
    )
    expect(await readdir(copy, { recursive: true })).toEqual(before)
    expect(stdout).toMatch(/No schema changes/)
  } finally {
    await rm(copy, { recursive: true })
  }
})

test('every migration of the journal has its file, and every file is in the journal', async () => {
  const tags = (await journal()).entries.map(({ tag }) => `${tag}.sql`)
  const files = (await readdir(join(root, 'drizzle'))).filter((name) => name.endsWith('.sql'))
  expect(files.toSorted()).toEqual(tags.toSorted())
})

test('autovacuum counts rows, not shares, in every table that grows', async () => {
  const { url } = await openEmptyDatabase()
  await migrateDatabase(url)
  const tables = await queryOnce(
    url,
    `select relname as name, (select jsonb_object_agg(option_name, option_value) from pg_options_to_table(reloptions)) as options
     from pg_class where relnamespace in ('public'::regnamespace, 'private'::regnamespace) and relkind = 'r' order by relname`,
  )
  const factorOf = (name: string, kind: string) =>
    tables.find((table) => table.name === name)?.options?.[`autovacuum_vacuum_${kind}scale_factor`]
  for (const name of ['transactions', 'balance_checkpoints', 'failed_transactions'])
    expect([name, factorOf(name, 'insert_')]).toEqual([name, '0'])
  for (const name of ['failed_transactions', 'sessions', 'sign_in_limits'])
    expect([name, factorOf(name, '')]).toEqual([name, '0'])
  // Users, accounts, currencies and API tokens are few, and hardly ever change. A table that is new here has to be thought about.
  expect(tables.filter(({ options }) => options === null).map(({ name }) => name)).toEqual([
    'accounts',
    'api_tokens',
    'currencies',
    'ledger',
    'users',
  ])
})
