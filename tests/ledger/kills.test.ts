import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openEmbedded } from '../../src/db/embedded/embedded.ts'
import type { AccountId } from '../../src/db/ids.ts'
import { migrateDatabase } from '../../src/db/migrate.ts'
import type { Outcome, PostingRequest } from '../../src/ledger/model/posting.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { type Run, runCommand } from '../support/command-line.ts'
import { databaseForTest, openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openBeside, postUntilDefinite, transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'
import { makeTestOperator } from '../support/operator.ts'
import type { Answer } from '../support/server.ts'

/* What was acknowledged survives whatever is killed, while postings go on all the time. */

const POSTERS = 12
const ACCOUNTS = 6
const OPENING = 10_000n

/** The answer to a posting that was made: the transaction's id. Undefined: not known, or not posted. */
type Post = (request: PostingRequest) => Promise<string | undefined>

/** Posts all the time, until it is stopped, and knows what was acknowledged. */
function startPosters(accounts: readonly string[], post: Post) {
  /** Transaction ids by key. */
  const acknowledged = new Map<string, string>()
  let posting = true
  let rested = Promise.resolve()
  const done = Promise.all(
    Array.from({ length: POSTERS }, async (_, poster) => {
      for (let count = poster; posting; count++) {
        await rested
        const step = 1 + (count % (ACCOUNTS - 1))
        const [source, destination] = [accounts[poster % ACCOUNTS], accounts[(poster + step) % ACCOUNTS]]
        const request = transfer(source as AccountId, destination as AccountId, 1n)
        const id = await post(request)
        if (id !== undefined) acknowledged.set(request.idempotencyKey, id)
      }
    }),
  )
  return {
    acknowledged,
    /** Waits until so many more were acknowledged. */
    async more(count: number) {
      const before = acknowledged.size
      await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(before + count), { interval: 10 })
    },
    /** Begins no posting until this is done: for what takes long, and what postings beside it would only slow down. */
    async restFor<T>(work: () => Promise<T>): Promise<T> {
      const working = work()
      rested = working.then(
        () => {},
        () => {},
      )
      return working
    },
    async stop() {
      posting = false
      await done
    },
  }
}

/** Everything acknowledged so far is there as it was answered, and the ledger is sound. */
async function expectNothingLost(pool: pg.Pool, acknowledged: ReadonlyMap<string, string>): Promise<void> {
  const known = [...acknowledged]
  const { rows } = await pool.query(
    'select idempotency_key, id from transactions where idempotency_key = any($1::uuid[])',
    [known.map(([key]) => key)],
  )
  const found = new Map(rows.map((row) => [row.idempotency_key, row.id]))
  expect(known.filter(([key, id]) => found.get(key) !== id)).toEqual([])
  expect(await verifyLedger(pool)).toEqual([])
  const { rows: totals } = await pool.query('select sum(get_current_balance(id))::text as total from accounts')
  expect(totals[0].total).toBe(String(OPENING * BigInt(ACCOUNTS)))
}

const idOf = (outcome: Outcome) => ('posted' in outcome ? outcome.posted.transaction.id : undefined)

test('a backend is killed, twenty times', async () => {
  const database = await openTestDatabase()
  const errors: unknown[] = []
  const ledger = await openBeside(database, { onError: (error) => errors.push(error) })
  try {
    const accounts = await makeAccounts(ledger, ACCOUNTS, OPENING)
    const posters = startPosters(accounts, async (request) => idOf(await postUntilDefinite(ledger, request)))
    for (let kill = 0; kill < 20; kill++) {
      await vi.waitFor(
        async () => {
          const { rows } = await database.pool.query(
            `select pg_terminate_backend(pid) as killed from pg_stat_activity
             where datname = current_database() and application_name = 'thesaurum posting' and state <> 'idle' limit 1`,
          )
          expect(rows).toEqual([{ killed: true }])
        },
        { interval: 0 },
      )
      await posters.more(20)
      await expectNothingLost(database.pool, posters.acknowledged)
    }
    await posters.stop()
    await expectNothingLost(database.pool, posters.acknowledged)
    expect(errors).toEqual([])
  } finally {
    await ledger.close()
    await database.close()
  }
})

test('PostgreSQL is killed, five times', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-kills-'))
  const embedded = await openEmbedded({ dataDir: folder, log: () => {} })
  await migrateDatabase(embedded.url)
  const pool = new pg.Pool({ connectionString: embedded.url })
  pool.on('error', () => {})
  const ledger = await openBeside({ url: embedded.url, pool } as TestDatabase)
  try {
    const accounts = await makeAccounts(ledger, ACCOUNTS, OPENING)
    const posters = startPosters(accounts, async (request) => idOf(await postUntilDefinite(ledger, request)))
    for (let kill = 0; kill < 5; kill++) {
      await posters.more(50)
      const postmaster = await readFile(join(folder, 'postgres/cluster/postmaster.pid'), 'utf8')
      process.kill(Number.parseInt(postmaster, 10), 'SIGKILL')
      await posters.more(50)
      await vi.waitFor(() => expectNothingLost(pool, posters.acknowledged))
    }
    await posters.stop()
    await expectNothingLost(pool, posters.acknowledged)
  } finally {
    await ledger.close()
    await pool.end()
    await embedded.close()
    await rm(folder, { recursive: true, force: true })
  }
})

const TRANSFER = `mutation ($input: TransferInput!) {
  transfer(input: $input) { ... on TransferSuccess { transaction { id } } ... on Error { code } }
}`

/** A transfer as a client sends it. */
const inputOf = ({ idempotencyKey, sourceAccountId, destinationAccountId, amount }: PostingRequest) => ({
  idempotencyKey,
  sourceAccountId: sourceAccountId,
  destinationAccountId: destinationAccountId,
  amount: String(amount),
})

test('a server is killed, five times, and another one goes on', async () => {
  const database = await databaseForTest()
  const ledger = await openBeside(database)
  const accounts = await makeAccounts(ledger, ACCOUNTS, OPENING)
  await ledger.close()

  const authorization = `Bearer ${await makeTestOperator(database)}`
  const start = () => runCommand(['serve'], { DATABASE_URL: database.url, PORT: '0', NODE_ENV: 'test' })
  const endpointOf = async (run: Run) => (await run.waitFor(/ready at (\S+)/))[1] as string
  const runs = [start(), start()] as const as [Run, Run]
  const endpoints = await Promise.all(runs.map(endpointOf))
  let turn = 0
  /** As a client does: asks a server, and when that does not answer, one after another with the same key. */
  const posters = startPosters(accounts, async (request) => {
    const input = inputOf(request)
    for (;;) {
      const answer = await fetch(endpoints[turn++ % 2] as string, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ query: TRANSFER, variables: { input } }),
      })
        .then((response) => response.json() as Promise<Answer>)
        .catch(() => undefined)
      const id = answer?.data?.transfer?.transaction?.id
      if (id) return id.replace('transaction_', '')
      expect(answer?.data?.transfer?.code ?? 'OUTCOME_UNKNOWN').toMatch(/OUTCOME_UNKNOWN|RETRIES_EXHAUSTED/)
    }
  })
  for (let kill = 0; kill < 5; kill++) {
    await posters.more(50)
    const which = kill % 2
    const run = runs[which] as Run
    run.child.kill('SIGKILL')
    expect(await run.waitForExit()).toBe('SIGKILL')
    await posters.more(50)
    await posters.restFor(async () => {
      await expectNothingLost(database.pool, posters.acknowledged)
      runs[which] = start()
      endpoints[which] = await endpointOf(runs[which])
    })
  }
  await posters.stop()
  await expectNothingLost(database.pool, posters.acknowledged)
  for (const run of runs) {
    run.child.kill('SIGTERM')
    expect(await run.waitForExit()).toBe(0)
  }
})

test('an unknown key of a killed server is posted once, whoever is asked again', async () => {
  const database = await databaseForTest()
  const ledger = await openBeside(database)
  onTestFinished(() => ledger.close())
  const [payer, payee] = await makeAccounts(ledger, 2, OPENING)
  const authorization = `Bearer ${await makeTestOperator(database)}`
  const run = runCommand(['serve'], { DATABASE_URL: database.url, PORT: '0', NODE_ENV: 'test' })
  const [, endpoint] = await run.waitFor(/ready at (\S+)/)
  const requests = Array.from({ length: 200 }, () => transfer(payer, payee, 1n, randomUUID()))
  let answered = 0
  const asked = requests.map((request) =>
    fetch(endpoint as string, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify({ query: TRANSFER, variables: { input: inputOf(request) } }),
    }).then(
      () => answered++,
      () => {},
    ),
  )
  await vi.waitFor(() => expect(answered).toBeGreaterThan(0), { interval: 1 })
  run.child.kill('SIGKILL')
  await Promise.all(asked)
  const outcomes = await Promise.all(requests.map((request) => postUntilDefinite(ledger, request)))
  expect(outcomes.every((outcome) => 'posted' in outcome)).toBe(true)
  expect(await ledger.balances.current([payer, payee])).toMatchObject([
    { amount: OPENING - 200n, sequence: 201 },
    { amount: OPENING + 200n, sequence: 201 },
  ])
  expect(await verifyLedger(database.pool)).toEqual([])
})
