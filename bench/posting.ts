import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { toAmount } from '../src/db/amount.ts'
import { CONNECTIONS_DEFAULT, shareConnections } from '../src/db/connection-shares.ts'
import { type AccountId, toTransactionId } from '../src/db/ids.ts'
import { instantOf } from '../src/db/instant.ts'
import { openPool } from '../src/db/pool.ts'
import { type Ledger, openLedger } from '../src/ledger/ledger.ts'
import type { LedgerTransaction } from '../src/ledger/model/transaction.ts'
import { findRecorded } from '../src/ledger/statements/find-recorded.ts'
import { insertTransactions } from '../src/ledger/statements/insert-transactions.ts'
import { lockAccounts } from '../src/ledger/statements/lock-accounts.ts'
import { readHeads } from '../src/ledger/statements/read-heads.ts'
import { rebuildCheckpoints } from '../src/ledger/upkeep/checkpoints.ts'
import { fillLedger, openBenchServer } from './database.ts'
import { median, percentile, table } from './measure.ts'

/*
 * The posting engine in this process, no HTTP, against a bare multi-row insert of rows like its own: same table,
 * indexes and foreign keys, as many rows a statement as there are callers, a commit each, one connection, nothing
 * checked. Slices of both take turns, so that both see the same machine.
 */

const { values: options } = parseArgs({
  options: {
    transactions: { type: 'string', default: '10000,1000000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    callers: { type: 'string', default: '100' },
  },
})
const ACCOUNTS = 10_000
const SLICE_MS = Number(options.seconds) * 1_000
const ROUNDS = Number(options.rounds)
const CALLERS = Number(options.callers)

const random = <Item>(items: readonly Item[]) => items[Math.floor(Math.random() * items.length)] as Item
const twoOf = (ids: readonly AccountId[]): [AccountId, AccountId] => {
  for (;;) {
    const pair: [AccountId, AccountId] = [random(ids), random(ids)]
    if (pair[0] !== pair[1]) return pair
  }
}

interface Slice {
  perSecond: number
  latenciesMs: number[]
  batchSize: number
}

/** `callers` post one transfer after another, each as soon as it has the answer to the last one. */
async function postSlice(ledger: Ledger, callers: number, pair: () => [AccountId, AccountId]): Promise<Slice> {
  const latenciesMs: number[] = []
  const before = { ...ledger.posting.counts }
  const start = performance.now()
  const end = start + SLICE_MS
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let now = performance.now(); now < end; ) {
        const [sourceAccountId, destinationAccountId] = pair()
        const outcome = await ledger.posting.post({
          idempotencyKey: randomUUID(),
          sourceAccountId,
          destinationAccountId,
          amount: toAmount(1n),
        })
        if (!('posted' in outcome) || outcome.posted.replayed) throw new Error(JSON.stringify(outcome))
        const answered = performance.now()
        latenciesMs.push(answered - now)
        now = answered
      }
    }),
  )
  const seconds = (performance.now() - start) / 1_000
  const { postings, batches } = ledger.posting.counts
  return {
    perSecond: latenciesMs.length / seconds,
    latenciesMs,
    batchSize: (postings - before.postings) / (batches - before.batches),
  }
}

/** Holds an account locked, as somebody's open transaction would. */
async function lockAccount(url: string, id: AccountId) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('begin')
  await client.query('select from accounts where id = $1 for update', [id])
  return {
    async free() {
      await client.query('rollback')
      await client.end()
    },
  }
}

/** Inserts rows that follow on from what is there, `size` a statement, and commits each statement. */
function createBareInsert(url: string, ids: readonly AccountId[]) {
  const client = new pg.Client({ connectionString: url })
  const database = drizzle(client)
  const sequences = new Map<string, number>()
  const next = (id: AccountId) => {
    const sequence = (sequences.get(id) ?? 0) + 1
    sequences.set(id, sequence)
    return sequence
  }
  return {
    open: () => client.connect(),
    /** Reads what others have added. */
    async catchUp() {
      const heads = await readHeads(database).execute({ ids })
      for (const { accountId, lastSequence } of heads) sequences.set(accountId, lastSequence)
    },
    async slice(size: number): Promise<number> {
      let rows = 0
      const start = performance.now()
      while (performance.now() < start + SLICE_MS) {
        const createdAt = instantOf(Date.now() * 1_000)
        const batch = Array.from({ length: size }, (): LedgerTransaction => {
          const [sourceAccountId, destinationAccountId] = twoOf(ids)
          return {
            id: toTransactionId(randomUUID()),
            idempotencyKey: randomUUID(),
            sourceAccountId,
            sourceSequence: next(sourceAccountId),
            destinationAccountId,
            destinationSequence: next(destinationAccountId),
            amount: toAmount(1n),
            createdAt,
            reversesId: null,
            description: null,
            metadata: null,
          }
        })
        rows += await insertTransactions(database, batch)
      }
      return rows / ((performance.now() - start) / 1_000)
    },
    close: () => client.end(),
  }
}

/** The statements of one posting, sent by a bare pipelining client: what one caller alone could have at best. */
async function bareSingles(url: string, ids: readonly AccountId[]): Promise<number[]> {
  const client = new pg.Client({ connectionString: url, pipeline: true })
  await client.connect()
  const database = drizzle(client)
  const latenciesMs: number[] = []
  for (const end = performance.now() + SLICE_MS; performance.now() < end; ) {
    const start = performance.now()
    const pair = twoOf(ids).sort()
    const key = randomUUID()
    const begun = client.query(
      'begin isolation level read committed read write; set local lock_timeout = 100; set local statement_timeout = 15000; set local idle_in_transaction_session_timeout = 15000; set local client_min_messages = warning',
    )
    const [, , heads] = await Promise.all([
      lockAccounts(database).execute({ ids: pair }),
      findRecorded(database).execute({ keys: [key] }),
      readHeads(database).execute({ ids: pair }),
      begun,
    ])
    const [source, destination] = heads as [(typeof heads)[number], (typeof heads)[number]]
    await insertTransactions(database, [
      {
        id: toTransactionId(randomUUID()),
        idempotencyKey: key,
        sourceAccountId: source.accountId,
        sourceSequence: source.lastSequence + 1,
        destinationAccountId: destination.accountId,
        destinationSequence: destination.lastSequence + 1,
        amount: toAmount(1n),
        createdAt: instantOf(source.clock),
        reversesId: null,
        description: null,
        metadata: null,
      },
    ])
    await client.query('commit')
    latenciesMs.push(performance.now() - start)
  }
  await client.end()
  return latenciesMs
}

const ms = (value: number) => value.toFixed(2)
const rate = (value: number) => Math.round(value).toLocaleString('en')

async function measure(transactions: number): Promise<void> {
  const name = `bench_posting_${transactions}`
  const url = await server.createDatabase(name)
  const ids = await fillLedger(url, { accounts: ACCOUNTS, transfers: Math.max(0, transactions - ACCOUNTS) })
  const pool = openPool({
    url,
    name: 'bench',
    connectionsMax: 1,
    preparedStatements: true,
    connectTimeoutMs: 5_000,
    answerTimeoutMs: 600_000,
  })
  await rebuildCheckpoints(drizzle(pool))
  await pool.query('vacuum analyze; checkpoint').catch(() => pool.query('vacuum analyze'))
  await pool.end()
  const bareUrl = await server.createDatabase(`${name}_bare`, name)
  const ledger = await openLedger({
    url,
    directUrl: url,
    connections: shareConnections(CONNECTIONS_DEFAULT),
    preparedStatements: true,
    operationDeadlineMs: 15_000,
    clockAheadMaxMs: 5_000,
    batchSizeMax: 256,
    queueLengthMax: 10_000,
    batchLockWaitMs: 100,
    filterScanMax: 10_000,
    failedTransactionsPerHourMax: 1_000,
    onError: (error) => console.error(error),
  })
  const bare = createBareInsert(bareUrl, ids)
  await bare.open()
  await bare.catchUp()
  const uniform: Slice[] = []
  const hot: Slice[] = []
  const alone: Slice[] = []
  const besides: Slice[] = []
  /** To the slices right before and after, since a ledger grows and a machine drifts. */
  const besideRatios: number[] = []
  const inserts: number[] = []
  const singles: number[] = []
  const payer = random(ids)
  const [locked, ...others] = ids as [AccountId, ...AccountId[]]
  for (let round = 0; round <= ROUNDS; round++) {
    const before = await postSlice(ledger, CALLERS, () => twoOf(ids))
    // One account is locked by somebody else, and five callers want it; the others do not.
    const lock = await lockAccount(url, locked)
    const stuck = Array.from({ length: 5 }, () =>
      ledger.posting.post({
        idempotencyKey: randomUUID(),
        sourceAccountId: locked,
        destinationAccountId: random(others),
        amount: toAmount(1n),
      }),
    )
    const beside = await postSlice(ledger, CALLERS, () => twoOf(others))
    await lock.free()
    await Promise.all(stuck)
    const after = await postSlice(ledger, CALLERS, () => twoOf(ids))
    const ofHot = await postSlice(ledger, CALLERS, () => {
      const [one, other] = twoOf(ids)
      return [payer, one === payer ? other : one]
    })
    const ofOne = await postSlice(ledger, 1, () => twoOf(ids))
    const inserted = await bare.slice(CALLERS)
    const bareSingle = await bareSingles(bareUrl, ids)
    await bare.catchUp()
    // The first round warms up: plans, caches, the compiler.
    if (round === 0) continue
    uniform.push(before, after)
    besides.push(beside)
    besideRatios.push((2 * beside.perSecond) / (before.perSecond + after.perSecond))
    hot.push(ofHot)
    alone.push(ofOne)
    inserts.push(inserted)
    singles.push(...bareSingle)
  }
  await bare.close()
  await ledger.close()

  const row = (name: string, slices: readonly Slice[], ratio: string) => {
    const latencies = slices.flatMap(({ latenciesMs }) => latenciesMs)
    return [
      name,
      rate(median(slices.map(({ perSecond }) => perSecond))),
      ms(percentile(latencies, 0.5)),
      ms(percentile(latencies, 0.99)),
      median(slices.map(({ batchSize }) => batchSize)).toFixed(1),
      ratio,
    ]
  }
  const perSecond = (slices: readonly Slice[]) => median(slices.map((slice) => slice.perSecond))
  const ratio = (value: number, of: string) => `${value.toFixed(2)} of ${of}`
  console.log(`\nOn ${rate(transactions)} transactions:\n`)
  console.log(
    table(
      ['', 'postings/s', 'p50 ms', 'p99 ms', 'batch', 'ratio'],
      [
        row(`uniform, ${CALLERS} callers`, uniform, ratio(perSecond(uniform) / median(inserts), 'bare insert')),
        row(`one hot payer, ${CALLERS} callers`, hot, ratio(perSecond(hot) / perSecond(uniform), 'uniform')),
        row(
          'one caller alone',
          alone,
          ratio(median(alone.flatMap((slice) => slice.latenciesMs)) / median(singles), 'bare client p50'),
        ),
        row('beside a locked account', besides, ratio(median(besideRatios), 'uniform around it')),
        ['bare insert', rate(median(inserts)), '', '', String(CALLERS), ''],
        [
          'bare client, one by one',
          rate(1_000 / median(singles)),
          ms(median(singles)),
          ms(percentile(singles, 0.99)),
          '1',
          '',
        ],
      ],
    ),
  )
}

const server = await openBenchServer()
try {
  console.log(
    `PostgreSQL ${server.version}, Node ${process.version}; ${ROUNDS} rounds of ${SLICE_MS / 1_000} s each, medians`,
  )
  for (const transactions of options.transactions.split(',')) await measure(Number(transactions))
} finally {
  await server.close()
}
