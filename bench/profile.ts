import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startGenerator, startServer } from './child.ts'
import { type CpuProfile, readCpuProfile } from './cpu-profile.ts'
import { fillLedger, openBenchServer } from './database.ts'
import { table } from './measure.ts'
import { OPERATIONS, type OperationName } from './requests.ts'
import { openStatementTimes, type StatementTime } from './statement-times.ts'

/*
 * Where each microsecond of an operation goes: the server under `node --cpu-prof`, and PostgreSQL with pg_stat_statements, while 100
 * connections ask for the same. The operation is the first argument (transfer, hot, balance or trivial); SECONDS, WARM_SECONDS and
 * ACCOUNTS may be set in the environment, and FOLDER, an empty one, keeps the profile for a viewer. Neither observer is free: rates
 * are those of `npm run bench`.
 */

const SECONDS = Number(process.env.SECONDS || 8)
const WARM_SECONDS = Number(process.env.WARM_SECONDS || 4)
const ACCOUNTS = Number(process.env.ACCOUNTS || 10_000)
const FUNCTIONS_SHOWN = 30
const STATEMENTS_SHOWN = 12
const operation = (process.argv[2] ?? 'transfer') as OperationName
if (!Object.hasOwn(OPERATIONS, operation)) throw new Error(`${operation} is none of ${Object.keys(OPERATIONS)}`)

const nowMicroseconds = () => Number(process.hrtime.bigint() / 1_000n)

/** Printed when all is closed: whoever reads only the beginning must not leave a PostgreSQL behind. */
const printed: string[] = []
const print = (text: string) => void printed.push(text)

const folder = process.env.FOLDER || (await mkdtemp(join(tmpdir(), 'thesaurum-profile-')))
const closers: (() => Promise<void>)[] = []
if (!process.env.FOLDER) closers.unshift(() => rm(folder, { recursive: true, force: true }))
try {
  const bench = await openBenchServer({ preload: 'pg_stat_statements' })
  closers.unshift(() => bench.close())
  const url = await bench.createDatabase('bench_profile')
  const ids = await fillLedger(url, { accounts: ACCOUNTS, transfers: 0 })
  const statements = await openStatementTimes(bench.asAdmin(url))
  if (statements) closers.unshift(() => statements.close())
  const server = await startServer(
    'ledger-server.ts',
    { NODE_ENV: 'production', TRUSTED_PROXY_COUNT: '0', DATABASE_URL: url, PORT: '0', LOG_LEVEL: 'warn' },
    ['--cpu-prof', `--cpu-prof-dir=${folder}`],
  )
  closers.unshift(() => server.close())
  const generator = startGenerator()
  closers.unshift(() => generator.close())
  const { address, token } = server
  const accountIds = ids.map((id) => `account_${id}`)
  const load = (seconds: number) => generator.run({ address, token, operation, connections: 100, seconds, accountIds })

  await load(WARM_SECONDS)
  await statements?.reset()
  const from = nowMicroseconds()
  const { answered, failed, seconds } = await load(SECONDS)
  const to = nowMicroseconds()
  const times = await statements?.read()
  // The profile is written as the process ends.
  await server.close()
  const profile = await readCpuProfile(join(folder, await mainThreadProfile()), from, to)

  print(
    `PostgreSQL ${bench.version}, Node ${process.version}: ${operation}, 100 connections, ${(answered / seconds).toFixed(0)}/s while observed, ${failed} failed\n`,
  )
  printServer(profile, answered)
  if (times) printStatements(times, answered)
} finally {
  for (const close of closers) await close()
}
console.log(printed.join('\n'))

/** tsx has a thread of its own, and each thread its profile: CPU.<date>.<time>.<process>.<thread>.<number>.cpuprofile */
async function mainThreadProfile(): Promise<string> {
  const found = (await readdir(folder)).find((name) => /\.0\.\d+\.cpuprofile$/.test(name))
  if (!found) throw new Error('there is no profile')
  return found
}

function printServer({ idle, buckets, functions }: CpuProfile, answered: number): void {
  const busy = [...buckets.values()].reduce((sum, time) => sum + time, 0)
  const rows = (sums: ReadonlyMap<string, number>) =>
    [...sums]
      .sort(([, a], [, b]) => b - a)
      .map(([name, time]) => [name, share(time, busy), (time / answered).toFixed(1)])
  print(
    table(
      ['in the server, by self time', 'of busy', 'µs each'],
      [...rows(buckets), ['all', share(busy, busy), (busy / answered).toFixed(1)]],
    ),
  )
  print(`\nIdle ${share(idle, idle + busy)} of the time. By function:\n`)
  print(table(['', 'of busy', 'µs each'], rows(functions).slice(0, FUNCTIONS_SHOWN)))
}

function printStatements(times: readonly StatementTime[], answered: number): void {
  const all = times.reduce((sum, { microseconds }) => sum + microseconds, 0)
  print(`\nIn PostgreSQL, ${(all / answered).toFixed(1)} µs each:\n`)
  print(
    table(
      ['statement', 'of all', 'µs each', 'calls', 'rows a call', 'µs a call'],
      times
        .slice(0, STATEMENTS_SHOWN)
        .map(({ text, calls, rows, microseconds }) => [
          shortened(text),
          share(microseconds, all),
          (microseconds / answered).toFixed(1),
          String(calls),
          (rows / calls).toFixed(1),
          (microseconds / calls).toFixed(0),
        ]),
    ),
  )
}

function share(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`
}

/** Enough to know a statement by: what it selects is seldom that. */
function shortened(text: string): string {
  const line = text
    .replaceAll(/\s+/g, ' ')
    .replace(/^select .*? from /i, 'select … from ')
    .replaceAll('|', '\\|')
  return line.length > 100 ? `${line.slice(0, 100)} …` : line
}
