import { type GeneratorProcess, type ServerProcess, startGenerator, startServer } from './child.ts'
import { fillLedger, openBenchServer } from './database.ts'
import type { SliceResult } from './generator.ts'
import { median, percentile, table } from './measure.ts'
import type { OperationName } from './requests.ts'
import { checkSoundness } from './soundness.ts'

/*
 * The whole over HTTP, side by side in one run: our server, the same one without its log and metrics, the same one posting
 * one at a time, and a bare minimum (bare-server.ts). Each is a process of its own, on one database, and so is the generator of
 * load (generator.ts). Slices of the servers take turns, so that each sees the same machine and the same ledger; a first round
 * warms up and is thrown away. Each round begins with another server, and every other round goes backwards, so that none always
 * comes after the same other one. Ratios are of slices of one round, and of these the median.
 *
 * "One at a time" is BATCH_SIZE_MAX=1: no batch has more than one posting, but three lanes still run side by side. Where nothing
 * is posted it is our server a second time, and the ratio to it says how far the others can be trusted.
 *
 * SECONDS of a slice, ROUNDS, ACCOUNTS, ONLY (a part of the titles of what is to be measured) and SERVERS (their names, with
 * commas; ours is always there) may be set in the environment. `SERVERS='without logs' ROUNDS=12` compares two servers closely.
 */

const SECONDS = Number(process.env.SECONDS || 4)
const ROUNDS = Number(process.env.ROUNDS || 4)
const ACCOUNTS = Number(process.env.ACCOUNTS || 10_000)
const ONLY = process.env.ONLY ?? ''

const ALL_SERVERS = ['ours', 'without logs', 'one at a time', 'bare'] as const
type ServerName = (typeof ALL_SERVERS)[number]
const ASKED_FOR = process.env.SERVERS?.split(',')
const SERVERS = ALL_SERVERS.filter((name) => name === 'ours' || (ASKED_FOR?.includes(name) ?? true))

/** Who is measured in a round, in order. */
function orderOf(round: number): readonly ServerName[] {
  const first = (round >> 1) % SERVERS.length
  const order = [...SERVERS.slice(first), ...SERVERS.slice(0, first)]
  return round % 2 === 0 ? order : order.toReversed()
}

interface Measure {
  title: string
  operation: OperationName
  connections: number
  goal: string
  reached(ours: Figures, ratioToBare: number): boolean
}

const MEASURES: readonly Measure[] = [
  {
    title: 'trivial query, 100 connections',
    operation: 'trivial',
    connections: 100,
    goal: '0.5 of bare',
    reached: (_, ratioToBare) => ratioToBare >= 0.5,
  },
  {
    title: 'transfers, uniform, 100 connections',
    operation: 'transfer',
    connections: 100,
    goal: '5,200/s, p99 < 100 ms',
    reached: ({ perSecond, p99Ms }) => perSecond >= 5_200 && p99Ms < 100,
  },
  {
    title: 'transfers, uniform, 1,000 connections',
    operation: 'transfer',
    connections: 1_000,
    goal: '6,100/s, p99 < 500 ms, none failed',
    reached: ({ perSecond, p99Ms, failed }) => perSecond >= 6_100 && p99Ms < 500 && failed === 0,
  },
  {
    title: 'transfers, one hot payer, 100 connections',
    operation: 'hot',
    connections: 100,
    goal: '4,200/s',
    reached: ({ perSecond }) => perSecond >= 4_200,
  },
  {
    title: 'balance reads, 100 connections',
    operation: 'balance',
    connections: 100,
    goal: '12,300/s',
    reached: ({ perSecond }) => perSecond >= 12_300,
  },
]

type Slice = SliceResult & { serverCpuSeconds: number }

/** What the slices of one server came to. */
interface Figures {
  perSecond: number
  p50Ms: number
  p99Ms: number
  failed: number
  /** Of the server's process, for each answer. */
  cpuMicroseconds: number
}

const perSecond = ({ answered, seconds }: Slice) => answered / seconds
const cpuMicroseconds = ({ serverCpuSeconds, answered }: Slice) => (serverCpuSeconds / answered) * 1e6

function figuresOf(slices: readonly Slice[]): Figures {
  const latencies = slices.flatMap(({ latenciesMs }) => latenciesMs)
  return {
    perSecond: median(slices.map(perSecond)),
    p50Ms: median(latencies),
    p99Ms: percentile(latencies, 0.99),
    failed: slices.reduce((sum, { failed }) => sum + failed, 0),
    cpuMicroseconds: median(slices.map(cpuMicroseconds)),
  }
}

const generatorShares: number[] = []
let acknowledged = 0
let failed = 0

async function runSlice(
  generator: GeneratorProcess,
  { address, token, cpuSeconds }: ServerProcess,
  { operation, connections }: Measure,
  accountIds: readonly string[],
): Promise<Slice> {
  const before = cpuSeconds()
  const slice = await generator.run({ address, token, operation, connections, seconds: SECONDS, accountIds })
  if (operation === 'transfer' || operation === 'hot') {
    acknowledged += slice.answered
    failed += slice.failed
  }
  if (slice.example !== undefined) console.error(`  ${slice.failed} failed, as in: ${slice.example}`)
  generatorShares.push(slice.cpuSeconds / slice.seconds)
  return { ...slice, serverCpuSeconds: cpuSeconds() - before }
}

async function run(
  measure: Measure,
  servers: Readonly<Record<ServerName, ServerProcess>>,
  generator: GeneratorProcess,
  accountIds: readonly string[],
): Promise<string[][]> {
  const rounds: Record<ServerName, Slice>[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const slices: Partial<Record<ServerName, Slice>> = {}
    for (const name of orderOf(round)) {
      slices[name] = await runSlice(generator, servers[name], measure, accountIds)
    }
    if (round > 0) rounds.push(slices as Record<ServerName, Slice>)
  }
  const cpuRatioTo = (name: ServerName) =>
    median(rounds.map((slices) => cpuMicroseconds(slices.ours) / cpuMicroseconds(slices[name])))
  const ratioTo = (name: ServerName) => median(rounds.map((slices) => perSecond(slices.ours) / perSecond(slices[name])))
  const ratioToBare = SERVERS.includes('bare') ? ratioTo('bare') : Number.NaN
  return SERVERS.map((name) => {
    const figures = figuresOf(rounds.map((slices) => slices[name]))
    const isOurs = name === 'ours'
    return [
      isOurs ? measure.title : '',
      name,
      Math.round(figures.perSecond).toLocaleString('en'),
      figures.p50Ms.toFixed(1),
      figures.p99Ms.toFixed(1),
      String(figures.failed),
      figures.cpuMicroseconds.toFixed(0),
      isOurs ? '' : ratioTo(name).toFixed(3),
      isOurs ? '' : cpuRatioTo(name).toFixed(3),
      isOurs ? measure.goal : '',
      isOurs ? (measure.reached(figures, ratioToBare) ? 'yes' : 'no') : '',
    ]
  })
}

const bench = await openBenchServer()
const closers: (() => Promise<void>)[] = [() => bench.close()]
try {
  const url = await bench.createDatabase('bench_server')
  const ids = await fillLedger(url, { accounts: ACCOUNTS, transfers: 0 })
  const accountIds = ids.map((id) => `account_${id}`)
  const start = async (file: string, environment: Record<string, string> = {}) => {
    const server = await startServer(file, {
      NODE_ENV: 'production',
      TRUSTED_PROXY_COUNT: '0',
      DATABASE_URL: url,
      PORT: '0',
      // To a file that throws all away: what a log costs the server itself.
      LOG_LEVEL: 'info',
      ...environment,
    })
    closers.unshift(() => server.close())
    return server
  }
  const servers = {
    ours: await start('ledger-server.ts'),
    'without logs': await start('ledger-server.ts', { LOG_LEVEL: 'silent', WITHOUT_METRICS: '1' }),
    'one at a time': await start('ledger-server.ts', { BATCH_SIZE_MAX: '1' }),
    bare: await start('bare-server.ts'),
  }
  const generator = startGenerator()
  closers.unshift(() => generator.close())
  console.log(
    `PostgreSQL ${bench.version}, Node ${process.version}, ${ACCOUNTS.toLocaleString('en')} accounts; ${ROUNDS} rounds of ${SECONDS} s a slice, medians\n`,
  )
  const rows: string[][] = []
  for (const measure of MEASURES.filter(({ title }) => title.includes(ONLY))) {
    console.error(`  ${measure.title} …`)
    rows.push(...(await run(measure, servers, generator, accountIds)))
  }
  console.log(
    table(
      [
        '',
        'server',
        'per second',
        'p50 ms',
        'p99 ms',
        'failed',
        'CPU µs',
        'ours to it',
        'CPU to it',
        'goal',
        'reached',
      ],
      rows,
    ),
  )
  console.log(
    `\nThe generator took ${Math.min(...generatorShares).toFixed(2)} to ${Math.max(...generatorShares).toFixed(2)} of a core.`,
  )
  console.log(await checkSoundness(url, { acknowledged, failed }))
} finally {
  for (const close of closers) await close()
}
