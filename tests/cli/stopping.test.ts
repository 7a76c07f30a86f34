import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { askAt, endpointOf, expectRefusal, runCommand, runCommandHere } from '../support/command-line.ts'
import { databaseForTest } from '../support/database.ts'

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
    const database = await databaseForTest()
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
    const database = await databaseForTest()
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

const DEPOSIT = `mutation ($key: UUID!, $accountId: ID!) {
  deposit(input: { idempotencyKey: $key, accountId: $accountId, amount: 1 }) { ... on DepositSuccess { replayed } }
}`

describe('while an operation is under way', () => {
  /** A server that has a deposit to answer, which waits for a lock until `free`. */
  async function serveBusy() {
    const database = await databaseForTest()
    const run = runCommand(['serve'], { DATABASE_URL: database.url, PORT: '0', DATA_DIR: dataDir })
    const endpoint = await endpointOf(run)
    const { data } = await askAt(endpoint, '{ user(email: "ada@example.com") { id } }')
    const holder = await database.pool.connect()
    onTestFinished(() => holder.release(true))
    await holder.query('begin; select from accounts for update')
    const answer = askAt(endpoint, DEPOSIT, { key: randomUUID(), accountId: data.user.id }).catch(() => 'cut')
    await vi.waitFor(async () => {
      const { rows } = await database.pool.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
      expect(rows).toHaveLength(1)
    })
    return { run, answer, free: () => holder.query('commit') }
  }

  test('one Ctrl-C that is heard twice, from the terminal and from npm, is one', async () => {
    const { run, answer, free } = await serveBusy()
    // Two signals that the process finds when it goes on: so they are heard at once, on the slowest machine too.
    for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const) run.child.kill(signal)
    await run.waitFor(/Stopping \(SIG(INT|TERM)\)/)
    await free()
    expect(await answer).toEqual({ data: { deposit: { replayed: false } } })
    expect(await run.waitForExit()).toBe(0)
  })

  test('a second Ctrl-C does not wait for it', async () => {
    const { run, answer } = await serveBusy()
    run.child.kill('SIGINT')
    await run.waitFor(/Stopping \(SIGINT\)/)
    await vi.waitFor(
      () => {
        run.child.kill('SIGINT')
        expect(run.child.exitCode).not.toBeNull()
      },
      { interval: 100 },
    )
    expect(await run.waitForExit()).toBe(1)
    expect(await answer).toBe('cut')
  })
})

test.each([['/proc/nope'], ['/proc/nope/data']])('a folder that cannot be, %s, is a sentence', async (DATA_DIR) => {
  expectRefusal(
    await runCommand(['serve'], { DATA_DIR, PORT: '0' }).waitForEnding(),
    `The folder ${DATA_DIR} cannot be created (ENOENT). Set DATA_DIR to a folder that this user can write to.`,
  )
  const database = await databaseForTest()
  expectRefusal(
    await runCommandHere(['serve'], { DATABASE_URL: database.url, DATA_DIR, PORT: '0' }),
    /^The demo operator's token cannot be written to \S+\. Set DATA_DIR to [^\n]+$/,
  )
})
