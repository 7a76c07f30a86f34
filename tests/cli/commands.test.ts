import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WELCOME_QUERY } from '../../src/server/graphiql/welcome-query.ts'
import { askAt, endpointOf, runCommand, runCommandHere } from '../support/command-line.ts'
import { databaseForTest, openEmptyDatabase, queryOnce } from '../support/database.ts'
import { useFolder } from '../support/folder.ts'

/* What the commands do on the database of DATABASE_URL. */

const DATA_DIR = useFolder()
const serve = (environment: Record<string, string>) => runCommand(['serve'], { PORT: '0', DATA_DIR, ...environment })

test('serves the database of DATABASE_URL, and keeps nothing but the token of the demo operator, for its owner alone', async () => {
  const database = await databaseForTest()
  const folder = join(DATA_DIR, 'fresh')
  const run = serve({ DATABASE_URL: database.url, DATA_DIR: folder })
  const endpoint = await endpointOf(run)
  expect((await askAt(endpoint, WELCOME_QUERY, {}, 'Account')).data.user.account.balance.formatted).toBe('$1,787.55')
  run.child.kill('SIGINT')
  expect(await run.waitForExit()).toBe(0)
  expect(await readdir(folder)).toEqual(['operator-token'])
  expect((await stat(join(folder, 'operator-token'))).mode & 0o777).toBe(0o600)
})

test('migrate makes the tables and no user; seed loads the demo data once', async () => {
  const { url: DATABASE_URL } = await openEmptyDatabase()
  for (const stdout of [expect.stringMatching(/^Migrations run: \d+\.\n$/), 'The database is up to date.\n']) {
    expect(await runCommandHere(['migrate'], { DATABASE_URL })).toEqual({ code: 0, stdout, stderr: '' })
    expect(await queryOnce(DATABASE_URL, 'select from users')).toEqual([])
  }
  for (const stdout of ['The demo data is loaded.\n', 'The ledger already has users: nothing was changed.\n']) {
    expect(await runCommandHere(['seed'], { DATABASE_URL })).toEqual({ code: 0, stdout, stderr: '' })
    expect(await queryOnce(DATABASE_URL, 'select from transactions')).toHaveLength(14)
  }
})

test('servers that start at once on an empty database migrate it once, and all of them serve', async () => {
  const { url: DATABASE_URL } = await openEmptyDatabase()
  const runs = [serve({ DATABASE_URL }), serve({ DATABASE_URL }), serve({ DATABASE_URL })]
  const counts = []
  for (const endpoint of await Promise.all(runs.map(endpointOf))) {
    counts.push((await askAt(endpoint, '{ ledger { userCount transactionCount } }')).data.ledger)
  }
  expect(counts).toEqual(runs.map(() => ({ userCount: 5, transactionCount: 14 })))
  for (const run of runs) run.child.kill('SIGTERM')
  expect(await Promise.all(runs.map((run) => run.waitForExit()))).toEqual([0, 0, 0])
})

test('print-schema prints what schema.graphql holds, and needs no database', async () => {
  const run = runCommand(['print-schema'])
  expect(await run.waitForExit()).toBe(0)
  expect(run.stdout()).toBe(await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8'))
})
