import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { WELCOME_QUERY } from '../../src/server/graphiql/welcome-query.ts'
import { askAt, endpointOf, expectRefusal, type Run, runCommand } from '../support/command-line.ts'
import { openClient } from '../support/graphql-transport.ts'

/* Commands on a PostgreSQL of their own, without DATABASE_URL. */

/** Used by one test after another: to make a database takes seconds. Every test leaves it stopped. */
let dataDir: string
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'thesaurum-command-'))
})
afterEach(async () => {
  // What a failed test has left running.
  const pid = await postmasterOf(dataDir)
  if (pid !== undefined && isRunning(pid)) process.kill(pid, 'SIGQUIT')
  await vi.waitFor(() => expect(pid !== undefined && isRunning(pid)).toBe(false))
})
afterAll(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))

const serve = (environment: Record<string, string> = {}) =>
  runCommand(['serve'], { DATA_DIR: dataDir, PORT: '0', ...environment })

/** It ends by this signal, and so does its PostgreSQL. */
async function expectStop(run: Run, signal: NodeJS.Signals): Promise<void> {
  const postmaster = (await postmasterOf(dataDir)) as number
  run.child.kill(signal)
  expect(await run.waitForEnding()).toEqual({
    code: 0,
    stdout: expect.stringContaining(`Stopping (${signal})`),
    stderr: '',
  })
  expect(await postmasterOf(dataDir)).toBeUndefined()
  expect(isRunning(postmaster)).toBe(false)
}

const DEPOSIT = `mutation ($key: UUID!, $accountId: ID!) {
  deposit(input: { idempotencyKey: $key, accountId: $accountId, amount: 1 }) { ... on DepositSuccess { replayed } }
}`

/** The process id that PostgreSQL has written down, while it runs. */
async function postmasterOf(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').catch(() => '')
  return Number.parseInt(text, 10) || undefined
}

/** A zombie, which nobody has buried yet, does not count. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}

test('a start prints its address and answers the first query; SIGINT stops server and database', async () => {
  const run = serve()
  const endpoint = await endpointOf(run)
  const { data, errors } = await askAt(endpoint, WELCOME_QUERY, {}, 'Account')
  expect(errors).toBeUndefined()
  expect(data.user.account.balance.formatted).toBe('$1,787.55')
  expect(data.user.account.transactions.edges).toHaveLength(5)
  const postmaster = (await postmasterOf(dataDir)) as number
  expect(isRunning(postmaster)).toBe(true)
  await expectStop(run, 'SIGINT')
  await expect(fetch(endpoint)).rejects.toThrow()
})

test('at SIGHUP subscribers are sent away to come back, and do not hold up the stop', async () => {
  const run = serve()
  const endpoint = await endpointOf(run)
  const { data } = await askAt(endpoint, '{ user(email: "ada@example.com") { id } }')
  const client = await openClient(endpoint.replace('http', 'ws'))
  client.subscribe('watch', { query: `subscription { entryPosted(accountId: "${data.user.id}") { sequence } }` })
  expect(await client.drain()).toEqual([])
  const stopped = expectStop(run, 'SIGHUP')
  expect(await client.waitForClose()).toMatchObject({ code: 1012 })
  await stopped
})

test.each([
  ['the server alone', false],
  ['the server and PostgreSQL', true],
])(
  'kill -9 of %s loses nothing that was acknowledged, and the next start repairs what is left',
  async (_what, both) => {
    const first = serve()
    const endpoint = await endpointOf(first)
    const { data } = await askAt(
      endpoint,
      'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { id } } } }',
      { email: `${randomUUID()}@example.com` },
    )
    const accountId = data.createUser.user.id
    const acknowledged: string[] = []
    const unknown: string[] = []
    const post = async () => {
      while (unknown.length === 0) {
        const key = randomUUID()
        const answer = await askAt(endpoint, DEPOSIT, { key, accountId }).catch(() => undefined)
        if (answer?.data?.deposit.replayed === false) acknowledged.push(key)
        else unknown.push(key)
      }
    }
    const posting = Promise.all([post(), post(), post(), post()])
    await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(50), { interval: 5 })
    const postmaster = (await postmasterOf(dataDir)) as number
    if (both) process.kill(postmaster, 'SIGKILL')
    first.child.kill('SIGKILL')
    expect(await first.waitForExit()).toBe('SIGKILL')
    await posting
    await vi.waitFor(() => expect(isRunning(postmaster)).toBe(!both))

    const second = serve()
    const again = await endpointOf(second)
    const outcomes = await Promise.all(
      acknowledged.map(async (key) => (await askAt(again, DEPOSIT, { key, accountId })).data.deposit.replayed),
    )
    expect(outcomes.filter((replayed) => !replayed)).toEqual([])
    for (const key of unknown) await askAt(again, DEPOSIT, { key, accountId })
    const { data: after } = await askAt(
      again,
      'query ($id: ID!) { account(id: $id) { balance { amount sequence } } }',
      {
        id: accountId,
      },
    )
    const count = acknowledged.length + unknown.length
    expect(after.account.balance).toEqual({ amount: String(count), sequence: count })

    await expectStop(second, 'SIGTERM')
    expect(isRunning(postmaster)).toBe(false)
  },
)

test('a second server on the same data is refused, and the first goes on', async () => {
  const first = serve()
  const endpoint = await endpointOf(first)
  for (const command of ['serve', 'seed']) {
    const second = runCommand([command], { DATA_DIR: dataDir, PORT: '0' })
    expectRefusal(
      await second.waitForEnding(),
      `Another Thesaurum server (process ${first.child.pid}) is already running on the data in ${dataDir}. Stop it, or give this one a folder of its own with DATA_DIR.`,
    )
  }
  expect((await askAt(endpoint, '{ ledger { userCount } }')).errors).toBeUndefined()
  await expectStop(first, 'SIGTERM')
})

test('a port in use is reported, and the database that was started for it is stopped', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  onTestFinished(() => void holder.close())
  const { port } = holder.address() as AddressInfo
  const run = serve({ PORT: String(port) })
  expectRefusal(await run.waitForEnding(), `Port ${port} is in use. Stop what uses it, or choose another with PORT.`)
  expect(await postmasterOf(dataDir)).toBeUndefined()
})

test('migrate runs PostgreSQL for as long as it takes', async () => {
  const run = runCommand(['migrate'], { DATA_DIR: dataDir })
  expect(await run.waitForExit()).toBe(0)
  expect(await postmasterOf(dataDir)).toBeUndefined()
})
