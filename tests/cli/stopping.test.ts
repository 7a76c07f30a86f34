import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { runCommand } from '../support/command-line.ts'
import { openTestDatabase } from '../support/database.ts'

/* A signal ends a start at any moment, and nothing of it is left. */

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'thesaurum-stopping-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))
})

/** What a start that was cut leaves and should not: a database that is half made, or a PostgreSQL that runs. */
async function leftIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  return names.filter((name) => name.startsWith('postgres.init-') || name.endsWith('postmaster.pid'))
}

describe('while PostgreSQL makes its database', () => {
  test.each([
    ['serve', 'SIGTERM', 0],
    ['serve', 'SIGINT', 0],
    ['seed', 'SIGTERM', 143],
    ['seed', 'SIGINT', 130],
  ] as const)('%s ends by %s with code %d, and leaves no file and no process', async (command, signal, code) => {
    const run = runCommand([command], { DATA_DIR: dataDir, PORT: '0' })
    await vi.waitFor(async () => expect(await readdir(dataDir)).toHaveLength(1), { interval: 1 })
    run.child.kill(signal)
    expect(await run.waitForExit()).toBe(code)
    expect(run.stderr()).toBe('')
    expect(await leftIn(dataDir)).toEqual([])
  })

  test('Ctrl-C, which a terminal sends to every process, is a stop and no failure', async () => {
    const run = runCommand(['serve'], { DATA_DIR: dataDir, PORT: '0' })
    await vi.waitFor(async () => expect(await readdir(dataDir)).toHaveLength(1), { interval: 1 })
    process.kill(-(run.child.pid as number), 'SIGINT')
    expect(await run.waitForExit()).toBe(0)
    expect(run.stderr()).toBe('')
    expect(await leftIn(dataDir)).toEqual([])
  })
})

describe('on a PostgreSQL of its own', () => {
  test('a start ends that waits for another to migrate, and PostgreSQL forgets it', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    await database.pool.query('drop schema drizzle cascade')
    const holder = await database.pool.connect()
    onTestFinished(() => holder.release(true))
    await holder.query('select pg_advisory_lock($1)', [0x74_68_65_73_61_75n.toString()])
    const run = runCommand(['serve'], { DATABASE_URL: database.url, PORT: '0', DATA_DIR: dataDir })
    const waiters = async () =>
      (
        await database.pool.query(
          "select from pg_stat_activity where datname = current_database() and application_name = 'thesaurum migrate'",
        )
      ).rowCount
    const waiting = "select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'"
    await vi.waitFor(async () => expect((await database.pool.query(waiting)).rowCount).toBe(1))
    run.child.kill('SIGTERM')
    expect(await run.waitForExit()).toBe(0)
    expect(run.stderr()).toBe('')
    await vi.waitFor(async () => expect(await waiters()).toBe(0))
  })

  test('a start ends that waits for a database which never answers', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {}))
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const connected = once(silent, 'connection')
    const { port } = silent.address() as AddressInfo
    const DATABASE_URL = `postgres://ada@127.0.0.1:${port}/${randomUUID()}`
    const run = runCommand(['migrate'], { DATABASE_URL })
    await connected
    run.child.kill('SIGTERM')
    expect(await run.waitForExit()).toBe(143)
    expect(run.stderr()).toBe('')
  })

  test('a start ends that waits for a locked table', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    const holder = await database.pool.connect()
    onTestFinished(() => holder.release(true))
    await holder.query('begin; lock table private.ledger in access exclusive mode')
    const run = runCommand(['serve'], { DATABASE_URL: database.url, PORT: '0', DATA_DIR: dataDir })
    const waiting = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    await vi.waitFor(async () => expect((await database.pool.query(waiting)).rowCount).toBe(1))
    run.child.kill('SIGTERM')
    expect(await run.waitForExit()).toBe(0)
    expect(run.stderr()).toBe('')
  })
})

test.each([['/proc/nope'], ['/proc/nope/data']])('a folder that cannot be, %s, is a sentence', async (DATA_DIR) => {
  const run = runCommand(['serve'], { DATA_DIR, PORT: '0' })
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr()).toBe(
    `The folder ${DATA_DIR} cannot be created (ENOENT). Set DATA_DIR to a folder that this user can write to.\n`,
  )
  const database = await openTestDatabase()
  onTestFinished(() => database.close())
  const withUrl = runCommand(['serve'], { DATABASE_URL: database.url, DATA_DIR, PORT: '0' })
  expect(await withUrl.waitForExit()).toBe(1)
  expect(withUrl.stderr()).toMatch(/^The demo operator's token cannot be written to \S+\. Set DATA_DIR to [^\n]+\n$/)
})
