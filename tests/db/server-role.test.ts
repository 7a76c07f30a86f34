import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { migrateDatabase } from '../../src/db/migrate.ts'
import { expectRefusal, runCommand, runCommandHere } from '../support/command-line.ts'
import { openTestDatabase, queryOnce, type TestDatabase } from '../support/database.ts'
import { askWith } from '../support/sign-in.ts'
import { openDatabaseBefore } from '../support/version-before.ts'

/* A role that may not change the schema runs the server, with the rights that docs/security.md lists. */

const [, RIGHTS = ''] =
  /```sql\n(create role thesaurum_server [\s\S]+?)```/.exec(readFileSync('docs/security.md', 'utf8')) ?? []

/** A database, and its URL for a role that `statements` make; there it is called thesaurum_server. */
async function openAs(
  statements: string,
  open: () => Promise<TestDatabase> = openTestDatabase,
): Promise<{ database: TestDatabase; url: string }> {
  const database = await open()
  const role = `thesaurum_server_${randomUUID().replaceAll('-', '')}`
  await database.pool.query(statements.replaceAll('thesaurum_server', role).replace('<password>', 'rosebud'))
  onTestFinished(async () => {
    // Its rights are gone with the database.
    await database.close()
    const client = new pg.Client({ connectionString: inject('postgres').serverUrl })
    await client.connect()
    await client.query(`drop role ${role}`)
    await client.end()
  })
  return { database, url: Object.assign(new URL(database.url), { username: role, password: 'rosebud' }).href }
}

test('with the rights of docs/security.md a server starts, posts and verifies, and so do the commands', async () => {
  const { url } = await openAs(RIGHTS)
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'thesaurum-server-role-'))
  onTestFinished(() => rm(DATA_DIR, { recursive: true }))
  const run = runCommand(['serve'], { DATABASE_URL: url, PORT: '0', DATA_DIR, LEDGER_CURRENCY: 'USD' })
  const [, endpoint = ''] = await run.waitFor(/ready at (http:\/\/\S+\/graphql)/)
  const token = (await readFile(join(DATA_DIR, 'operator-token'), 'utf8')).trim()
  // The demo data was posted by this role.
  const { data, errors } = await askWith({ endpoint }, token, '{ ledger { transactionCount verification { sound } } }')
  expect(errors).toBeUndefined()
  expect(data.ledger).toEqual({ transactionCount: 14, verification: { sound: true } })
  run.child.kill('SIGTERM')
  expect(await run.waitForExit()).toBe(0)
  expect(run.stderr()).toBe('')

  for (const command of ['migrate', 'seed', 'verify', 'checkpoints', 'renew-era', 'operator you@example.com']) {
    const run = runCommand(command.split(' '), { DATABASE_URL: url, LEDGER_CURRENCY: 'USD' })
    expect(await run.waitForExit(), `${command}: ${run.stderr()}`).toBe(0)
  }
})

test('a role that may read checkpoints and users may read what later migrations make of them', async () => {
  const rights = RIGHTS.replace(/^alter default privileges.*\n/m, '')
  const { database, url } = await openAs(rights, () => openDatabaseBefore('0009_feed-order'))
  await migrateDatabase(database.url)
  for (const [table, count] of [
    ['private.entries', 0],
    ['accounts', 0],
    ["currencies where code = 'USD'", 1],
  ])
    expect(await queryOnce(url, `select count(*)::int as count from ${table}`)).toEqual([{ count }])
})

test.each(['serve', 'migrate'])('%s says that a role may not run the migrations that are missing', async (command) => {
  const { database, url } = await openAs(RIGHTS)
  await database.pool.query(
    'delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)',
  )
  expectRefusal(
    await runCommandHere([command], { DATABASE_URL: url }),
    'The database lacks 1 of the migrations, and the role in DATABASE_URL may not run them. Run `npm run db:migrate` (`thesaurum migrate`) as the owner of the database.',
  )
})

test('the owner changes the currency of the ledger, and the role uses it', async () => {
  const { database, url } = await openAs(RIGHTS)
  expectRefusal(
    await runCommandHere(['serve'], { DATABASE_URL: url, PORT: '0', LEDGER_CURRENCY: 'EUR' }),
    'LEDGER_CURRENCY is not the currency of this ledger, and the role in DATABASE_URL may not change that. Run `npm run db:migrate` (`thesaurum migrate`) with this LEDGER_CURRENCY as the owner of the database.',
  )
  for (const DATABASE_URL of [database.url, url]) {
    const { code } = await runCommandHere(['migrate'], { DATABASE_URL, LEDGER_CURRENCY: 'EUR' })
    expect(code).toBe(0)
  }
})

test('a role that may not see which migrations there are is told which right it lacks', async () => {
  const { url } = await openAs("create role thesaurum_server login password '<password>'")
  expectRefusal(
    await runCommandHere(['serve'], { DATABASE_URL: url }),
    'The role in DATABASE_URL may not read drizzle.__drizzle_migrations, which says whether the database is up to date. Grant it the rights that docs/security.md lists.',
  )
})

test('a role that lacks another right is told which', async () => {
  const { database, url } = await openAs(RIGHTS)
  await database.pool.query(`revoke select on private.ledger from ${new URL(url).username}`)
  expectRefusal(
    await runCommandHere(['serve'], { DATABASE_URL: url }),
    'The role in DATABASE_URL lacks a right (permission denied for table ledger). Grant it the rights that docs/security.md lists.',
  )
})
