import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openEmbedded } from '../../src/db/embedded/embedded.ts'
import type { AccountId } from '../../src/db/ids.ts'
import { migrateDatabase } from '../../src/db/migrate.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { LedgerEntry } from '../../src/ledger/model/entry.ts'
import type { TestDatabase } from '../support/database.ts'
import { deposit, openBeside, postUntilDefinite } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

/* What one server process posts reaches the subscribers of another, whatever becomes of the words between them. */

afterEach(() => vi.useRealTimers())

type Subscription = AsyncIterableIterator<LedgerEntry, undefined>

const watch = (ledger: Ledger, accountId: AccountId, after = 0): Subscription => {
  const subscription = ledger.feed.subscribe(accountId, after, after)
  onTestFinished(() => void subscription.return?.())
  return subscription
}

async function sequenceOn(subscription: Subscription): Promise<number | undefined> {
  return (await subscription.next()).value?.sequence
}

/** Both processes listen. */
const untilListening = (pool: pg.Pool, count: number) =>
  vi.waitFor(
    async () => {
      const { rows } = await pool.query(
        `select count(*)::int as count from pg_stat_activity
         where datname = current_database() and application_name = 'thesaurum listening' and query ilike 'listen%'`,
      )
      expect(rows[0].count).toBe(count)
    },
    { interval: 20 },
  )

describe('without any poll', () => {
  let ledger: TestLedger
  let beside: Ledger

  async function openBoth() {
    // The feeds' polls never come.
    vi.useFakeTimers({ toFake: ['setInterval'] })
    ledger = await openTestLedger()
    beside = await openBeside(ledger.test)
    onTestFinished(async () => {
      await beside.close()
      await ledger.close()
    })
    await untilListening(ledger.test.pool, 2)
  }

  test('an entry posted through one process reaches the subscribers of another', async () => {
    await openBoth()
    const [accountId, otherId] = await makeAccounts(ledger, 2)
    const [here, there, elsewhere] = [watch(ledger, accountId), watch(beside, accountId), watch(beside, otherId)]
    const transactions = await beside.transactionFeed.subscribe()
    onTestFinished(() => void transactions.return?.())
    for (let count = 1; count <= 50; count++) {
      const next = Promise.all([sequenceOn(here), sequenceOn(there), transactions.next()])
      await ledger.posting.post(deposit(accountId, 1n))
      expect(await next).toMatchObject([count, count, { value: { transaction: { destinationSequence: count } } }])
    }
    const other = sequenceOn(elsewhere)
    await ledger.posting.post(deposit(otherId, 1n))
    expect(await other).toBe(1)
  })

  test('so do those of more accounts than one hint can name', async () => {
    await openBoth()
    const accounts = await makeAccounts(ledger, 600)
    const subscriptions = accounts.map((accountId) => watch(beside, accountId))
    const next = Promise.all(subscriptions.map(sequenceOn))
    await ledger.posting.postTogether(accounts.map((accountId) => deposit(accountId, 1n)))
    expect(await next).toEqual(accounts.map(() => 1))
  })

  test('what is posted while the listener is away is delivered when it is back, and so is what comes after', async () => {
    await openBoth()
    const [accountId] = await makeAccounts(ledger, 1)
    const there = watch(beside, accountId)
    for (let round = 0; round < 3; round++) {
      const { rowCount } = await ledger.test.pool.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'thesaurum listening' and query ilike 'listen%'`,
      )
      // Who speaks goes on speaking, and nobody hears it.
      expect(rowCount).toBe(2)
      await ledger.posting.post(deposit(accountId, 1n))
      expect(await sequenceOn(there)).toBe(2 * round + 1)
      await untilListening(ledger.test.pool, 2)
      const next = sequenceOn(there)
      await ledger.posting.post(deposit(accountId, 1n))
      expect(await next).toBe(2 * round + 2)
    }
  })

  test('a payload that says nothing sensible is no more than a hint', async () => {
    await openBoth()
    const [accountId] = await makeAccounts(ledger, 1)
    const there = watch(beside, accountId)
    const next = sequenceOn(there)
    for (const payload of ['', 'x', '0123456789abcdef', `0123456789abcdef${'*'.repeat(50)}`, '\u00e9'.repeat(100)])
      await ledger.test.pool.query("select pg_notify('thesaurum_posted', $1)", [payload])
    await ledger.posting.post(deposit(accountId, 1n))
    expect(await next).toBe(1)
  })
})

test('PostgreSQL is killed and comes back, and the subscribers of both processes have all that was missed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-hints-'))
  const embedded = await openEmbedded({ dataDir: folder, log: () => {} })
  await migrateDatabase(embedded.url)
  const pool = new pg.Pool({ connectionString: embedded.url })
  pool.on('error', () => {})
  const database = { url: embedded.url, pool } as TestDatabase
  const processes = [await openBeside(database), await openBeside(database)] as const
  try {
    const [accountId] = await makeAccounts(processes[0], 1)
    const subscriptions = processes.map((process) => watch(process, accountId))
    const transactions = await processes[1].transactionFeed.subscribe()
    const seen: (number | undefined)[][] = [[], []]
    for (let kill = 0; kill < 3; kill++) {
      const postmaster = await readFile(join(folder, 'postgres/cluster/postmaster.pid'), 'utf8')
      process.kill(Number.parseInt(postmaster, 10), 'SIGKILL')
      for (let count = 0; count < 10; count++) {
        await postUntilDefinite(processes[count % 2] as Ledger, deposit(accountId, 1n))
      }
      for (const [at, subscription] of subscriptions.entries()) {
        for (let count = 0; count < 10; count++) seen[at]?.push(await sequenceOn(subscription))
      }
      for (let count = 0; count < 10; count++) {
        expect((await transactions.next()).value?.transaction.destinationSequence).toBe(10 * kill + count + 1)
      }
    }
    for (const sequences of seen) expect(sequences).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
    // And they hear each other again.
    await untilListening(pool, 2)
    for (const subscription of [...subscriptions, transactions]) await subscription.return?.()
  } finally {
    for (const process of processes) await process.close()
    await pool.end()
    await embedded.close()
    await rm(folder, { recursive: true, force: true })
  }
})
