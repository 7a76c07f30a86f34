import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { inject } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../../support/database.ts'
import { makeTestOperator, OPERATOR_TOKENS } from '../../support/operator.ts'
import { PRODUCTION } from '../../support/production.ts'
import type { Answer } from '../../support/server.ts'

/** What measure.mjs reports from within the server. Times and `cpuMs` count from the measure before. */
export interface Measure {
  /** After everything that is garbage was collected. */
  rssBytes: number
  heapBytes: number
  /** The most it ever had. */
  peakRssBytes: number
  /** The longest time for which the event loop stood still and worked. */
  stopMsMax: number
  /** The longest time for which the event loop stood still, by the wall clock. */
  gapMsMax: number
  cpuMs: number
  /** What keeps the event loop alive, by kind: `TCPSocketWrap`, `Timeout`, … */
  resources: Partial<Record<string, number>>
}

/** How long answers took, in milliseconds; `failures` had no answer or another status than 200. */
interface Latencies {
  count: number
  failures: number
  medianMs: number
  maxMs: number
}

export interface MeasuredServer {
  readonly child: ChildProcess
  readonly database: TestDatabase
  /** As in `http://127.0.0.1:12345`. */
  readonly address: string
  readonly port: number
  readonly endpoint: string
  readonly socketEndpoint: string
  /** The token of an operator. */
  readonly token: string
  /** Sends one operation over HTTP. Nobody asks, unless a token is given. */
  ask(query: string, variables?: object, token?: string): Promise<Answer>
  measure(): Promise<Measure>
  /** Asks `path` every 20 ms from a thread of its own, until `stop`, which may be called again. */
  probe(path?: string): { stop(): Promise<Latencies> }
  /** Lines of the log at `warn` or above, and whatever else came on stderr. */
  complaints(): string[]
  /** True until the process has ended. */
  isRunning(): boolean
  close(): Promise<void>
}

export interface MeasuredServerOptions {
  /** Without it, production. */
  environment?: Readonly<Record<string, string>>
  /** The bound of its heap. A server that needs more dies, and the test with it. */
  heapMiBMax?: number
  /** One of the test's own; else it gets one, and drops it when it closes. */
  database?: TestDatabase
}

const PROBE = { intervalMs: 20, timeoutMs: 30_000 }
const WARN = 40

/** Starts the built server (`node dist/main.js serve`) on a free port of loopback, with a small heap. */
export async function openMeasuredServer(options: MeasuredServerOptions = {}): Promise<MeasuredServer> {
  const { environment = PRODUCTION, heapMiBMax = 256 } = options
  const database = options.database ?? (await openTestDatabase())
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-hostile-'))
  const preload = new URL('./measure.mjs', import.meta.url).href
  const program = join(inject('build'), 'dist/main.js')
  const node = ['--expose-gc', `--max-old-space-size=${heapMiBMax}`, '--enable-source-maps', '--import', preload]
  const child = spawn(process.execPath, [...node, program, 'serve'], {
    env: {
      PATH: '/usr/bin:/bin',
      LOG_LEVEL: 'warn',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: folder,
      ...environment,
      DATABASE_URL: database.url,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (data) => {
    stdout += data
  })
  child.stderr?.on('data', (data) => {
    stderr += data
  })
  const ended = once(child, 'close')
  const gone = ended.then(([code, signal]) => {
    throw new Error(`the server ended (${code ?? signal}):\n${stdout}\n${stderr}`)
  })
  gone.catch(() => {})
  const hear = async <Told>(): Promise<Told> => {
    const [told] = await Promise.race([once(child, 'message'), gone])
    return told
  }

  const { port } = await hear<{ port: number }>()
  const address = `http://127.0.0.1:${port}`
  const endpoint = `${address}/graphql`
  const token = await makeTestOperator(database)
  OPERATOR_TOKENS.set(new URL(endpoint).host, token)
  return {
    child,
    database,
    address,
    port,
    endpoint,
    socketEndpoint: endpoint.replace(/^http/, 'ws'),
    token,
    async ask(query, variables, bearer) {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
        },
        body: JSON.stringify({ query, variables }),
      })
      return (await response.json()) as Answer
    },
    async measure() {
      const told = hear<Measure>()
      child.send('measure')
      return told
    },
    probe(path = '/health') {
      const worker = new Worker(fileURLToPath(new URL('./prober.mjs', import.meta.url)), {
        workerData: { url: address + path, ...PROBE },
      })
      const figures = once(worker, 'message').then(([{ latenciesMs, failures }]): Latencies => {
        const sorted: number[] = latenciesMs.sort((a: number, b: number) => a - b)
        const medianMs = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
        return { count: sorted.length, failures, medianMs, maxMs: sorted.at(-1) ?? Number.NaN }
      })
      return {
        stop() {
          worker.postMessage('stop')
          return figures
        },
      }
    },
    complaints: () => [
      ...linesOf(stdout).filter((line) => levelOf(line) >= WARN),
      ...linesOf(stderr).filter((line) => levelOf(line) >= WARN || Number.isNaN(levelOf(line))),
    ],
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async close() {
      child.kill('SIGKILL')
      await ended
      if (!options.database) await database.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const linesOf = (text: string) => text.split('\n').filter((line) => line.trim() !== '')

/** NaN for a line that is not of the log. */
function levelOf(line: string): number {
  try {
    const { level } = JSON.parse(line) as { level?: unknown }
    return typeof level === 'number' ? level : Number.NaN
  } catch {
    return Number.NaN
  }
}
