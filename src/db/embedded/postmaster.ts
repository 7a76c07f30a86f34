import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { constants, open, readFile, rename, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, nameFromInside } from './cluster.ts'
import { childEnvironment, lastWords, runAs } from './system-user.ts'

/**
 * PostgreSQL's first process, as the cluster's postmaster.pid names it. It may be a child of ours or one that another server
 * left behind: both are found, watched and stopped in the same way, by process id. The file alone proves nothing, as it outlives
 * a crash and its process id may be anybody's by now: a process counts when its command line carries the cluster's mark.
 */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  /** Open for connections: not starting, recovering or stopping. */
  readonly ready: boolean
}

const pollIntervalMs = 25
/** A start after a crash first replays up to max_wal_size of the log. */
const recoveryWaitMs = 10 * 60_000
const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
const logBytesMax = 10 * 1024 * 1024

/** Fast shutdown; then immediate, which the next start recovers from as from a crash; then what nothing survives. */
const stopSteps = [
  { signal: 'SIGINT', waitMs: 60_000 },
  { signal: 'SIGQUIT', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 10_000 },
] as const

/** The postmaster exited while starting. The message is the end of its log, on one line. */
export class PostmasterStartError extends Error {
  /** Another postmaster is about to start or to vanish here, or somebody took the port: worth another try. */
  readonly passing: boolean

  constructor(message: string) {
    super(message)
    this.passing = /lock file|shared memory block|could not create any TCP|could not bind/.test(message)
  }
}

export async function findPostmaster(cluster: Cluster): Promise<Postmaster | undefined> {
  const named = await readPidFile(cluster)
  return named && (await isRunning(cluster, named.pid)) ? named : undefined
}

/**
 * Starts PostgreSQL on a port and waits until it answers. Detached: in a process group of its own Ctrl-C does not reach it, and it
 * keeps nobody's event loop alive. On abort it is stopped, and the start fails.
 *
 * @param overrides settings that win over ours, as in `fsync=off`: only for a cluster of tests that is thrown away.
 */
export async function startPostmaster(
  cluster: Cluster,
  port: number,
  signal: AbortSignal,
  overrides: readonly string[] = [],
): Promise<Postmaster> {
  const { size } = await stat(cluster.logFile).catch(() => ({ size: 0 }))
  if (size > logBytesMax) await rename(cluster.logFile, `${cluster.logFile}.1`)
  const log = await open(cluster.logFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  if (cluster.user) await log.chown(cluster.user.uid, cluster.user.gid)
  const logStart = (await log.stat()).size
  const settings = [
    cluster.mark,
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=100',
    'fsync=on',
    'full_page_writes=on',
    'synchronous_commit=on',
    // The ledger's index-only scans need fresh pages vacuumed soon: a minute, the default, is long at some thousand a second.
    'autovacuum_naptime=5s',
    // A failed statement may be long, and hold what somebody typed.
    'log_min_error_statement=panic',
    ...overrides,
  ]
  const child = spawn(
    cluster.binaries.postgres,
    ['-D', nameFromInside(cluster), ...settings.flatMap((setting) => ['-c', setting])],
    {
      cwd: cluster.folder,
      env: { ...childEnvironment, ...(await disownStalePid(cluster)) },
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
      ...cluster.user,
    },
  )
  const deadline = performance.now() + recoveryWaitMs
  let ended: string | undefined
  child.once('error', (error) => {
    ended = error.message
  })
  child.once('exit', (code, killer) => {
    ended = `exit code ${code ?? killer}`
  })
  child.unref()
  await log.close()
  for (;;) {
    if (ended) {
      const said = (await readFile(cluster.logFile)).subarray(logStart).toString()
      throw new PostmasterStartError(lastWords(said) || ended)
    }
    const named = await readPidFile(cluster)
    if (named?.pid === child.pid && named?.ready) return named
    if (signal.aborted || performance.now() > deadline) child.kill('SIGINT')
    await sleep(pollIntervalMs)
  }
}

/** Stops a postmaster, child of ours or not, and waits until it is gone. */
export async function stopPostmaster(cluster: Cluster, pid: number, log: (line: string) => void): Promise<void> {
  for (const { signal, waitMs } of stopSteps) {
    if (!(await isRunning(cluster, pid))) return
    if (signal !== 'SIGINT') log(`PostgreSQL (process ${pid}) is slow to stop: ${signal}`)
    try {
      process.kill(pid, signal)
    } catch {
      return
    }
    const deadline = performance.now() + waitMs
    while (performance.now() < deadline) {
      if (!(await isRunning(cluster, pid))) return
      await sleep(pollIntervalMs)
    }
  }
}

/**
 * A port below those that the kernel gives to outgoing connections (from 32768 on Linux, 49152 on macOS). One of those can be
 * taken while PostgreSQL is away, even by a pool of ours that connects to it in vain and meets itself.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true })
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (isFree) await new Promise((resolve) => server.close(resolve))
    if (isFree) return port
  }
}

/** Its lines: process id, data folder, start time, port, socket folder, address, shared memory key, status. */
async function readPidFile(cluster: Cluster): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster.folder, 'postmaster.pid'), 'utf8').catch(() => '')
  const [pid, , , port, , , , status] = text.split('\n')
  if (!(Number(pid) > 0 && Number(port) > 0)) return undefined
  return { pid: Number(pid), port: Number(port), ready: status?.trim() === 'ready' }
}

/** A zombie, whose parent does not look after it, has no command line: it is not running. */
async function isRunning(cluster: Cluster, pid: number): Promise<boolean> {
  const commandLine =
    process.platform === 'linux'
      ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      : (await runAs(undefined, '/bin/ps', ['-ww', '-o', 'command=', '-p', String(pid)])).output
  return commandLine.split(/[\s\0]+/).includes(cluster.mark)
}

/**
 * PostgreSQL does not start while the process that an old postmaster.pid names is alive, whoever that is by now. It passes over
 * its own grandparent, which pg_ctl names by this variable: so we name the process that we know is no postmaster of this folder.
 * Its other check, for processes that still use the folder's shared memory, stands.
 */
async function disownStalePid(cluster: Cluster): Promise<{ PG_GRANDPARENT_PID?: string }> {
  const named = await readPidFile(cluster)
  return named && !(await isRunning(cluster, named.pid)) ? { PG_GRANDPARENT_PID: String(named.pid) } : {}
}
