import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { SQLSTATE } from '../sqlstate.ts'
import type { Cluster } from './cluster.ts'
import { EmbeddedDatabaseError } from './embedded-error.ts'
import { findFreePort, findPostmaster, PostmasterStartError, startPostmaster, stopPostmaster } from './postmaster.ts'

/**
 * Who may run and stop the PostgreSQL of a folder: the one server that holds the owner lock, a session advisory lock that PostgreSQL
 * frees by itself when its holder dies.
 *
 * One attempt at the lock: find the postmaster, or start one; connect; lock. Every race of two starts ends at the lock: a postmaster
 * that loses to another over the folder exits (PostgreSQL's own doing), and whose it is that won does not matter, as the server that
 * gets the lock takes it over, and the other is refused. It holds a second lock, whose number is its process id, to be named in
 * that refusal.
 *
 * States: *open* tries until it holds the lock or a reason is final. *Holding*, it waits for its session to end, for whatever
 * reason: the postmaster or a backend died, somebody terminated the session. Then it is *without*, and makes attempts with growing
 * delays until it holds the lock again, on the same port. *Closing* stops the postmaster that it holds or has just started.
 */
export class Owner {
  readonly #cluster: Cluster
  readonly #log: (line: string) => void
  readonly #closing = new AbortController()
  #port: number | undefined
  #held: { pid: number; ended: Promise<void> } | undefined
  /** The postmaster that is ours to stop: started or held by us, and by nobody else since. */
  #pid: number | undefined
  #keeping: Promise<void> = Promise.resolve()
  #closed: Promise<void> | undefined

  constructor(cluster: Cluster, log: (line: string) => void) {
    this.#cluster = cluster
    this.#log = log
  }

  /** The same from open() on, across restarts of PostgreSQL. */
  get port(): number {
    if (this.#port === undefined) throw new Error('the owner is not open')
    return this.#port
  }

  /** @param stop ends it: a postmaster that it has started is stopped, and the promise rejects with the reason of the signal. */
  async open(stop: AbortSignal): Promise<void> {
    const start = performance.now()
    const cut = () => {
      this.#closing.abort()
      // Which ends an attempt that is connected to it.
      void this.#stopPostmaster()
    }
    stop.addEventListener('abort', cut)
    for (;;) {
      try {
        stop.throwIfAborted()
        await this.#attempt()
        stop.throwIfAborted()
        break
      } catch (error) {
        if (stop.aborted) {
          await this.#stopPostmaster()
          throw stop.reason
        }
        const waitedMs = performance.now() - start
        const verdict = judge(error, this.#cluster, waitedMs)
        if (verdict) {
          await this.#stopPostmaster()
          throw verdict
        }
        await sleep(openRetryDelayMs)
      }
    }
    stop.removeEventListener('abort', cut)
    this.#keeping = this.#keep()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    if (!this.#held) await this.#keeping
    await this.#stopPostmaster()
    await this.#keeping
  }

  async #stopPostmaster(): Promise<void> {
    if (this.#pid !== undefined) await stopPostmaster(this.#cluster, this.#pid, this.#log)
    await this.#held?.ended
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      const before = this.#held
      await before?.ended
      this.#held = undefined
      for (
        let delayMs = recoveryDelayMs;
        !signal.aborted && !this.#held;
        delayMs = Math.min(delayMs * 2, recoveryDelayMaxMs)
      ) {
        await this.#attempt().catch((error) => {
          if (delayMs >= recoveryDelayToldMs) this.#log(`PostgreSQL is away, trying again: ${error.message}`)
        })
        if (this.#held) {
          const { pid } = this.#held
          this.#log(
            pid === before?.pid
              ? `The owner lock of PostgreSQL was lost, and taken again`
              : `PostgreSQL (process ${before?.pid}) died and was started again (process ${pid})`,
          )
        } else await sleep(delayMs, undefined, { signal }).catch(() => {})
      }
    }
  }

  async #attempt(): Promise<void> {
    let postmaster = await findPostmaster(this.#cluster)
    const isFound = postmaster !== undefined
    if (!postmaster) {
      postmaster = await startPostmaster(this.#cluster, this.#port ?? (await findFreePort()), this.#closing.signal)
      this.#pid = postmaster.pid
    }
    const { pid, port, ready } = postmaster
    if (!ready) throw new Error(`PostgreSQL (process ${pid}) is starting or stopping`)

    const client = new pg.Client({
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password: this.#cluster.password,
      database: 'postgres',
      ssl: false,
      application_name: 'thesaurum owner',
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: answerTimeoutMs,
      keepAlive: true,
    })
    // The end of the session says it all; without a listener the error would end the process.
    client.on('error', () => {})
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()))
    await client.connect()
    try {
      await takeLock(client)
      await makeDatabase(client, this.#cluster.password)
    } catch (error) {
      if (error instanceof LockTaken) this.#pid = undefined
      await client.end()
      throw error
    }
    this.#pid = pid
    if (port !== (this.#port ?? port)) {
      await stopPostmaster(this.#cluster, pid, this.#log)
      throw new Error(`another server had started PostgreSQL on port ${port}`)
    }
    if (isFound && this.#port === undefined)
      this.#log(`Taking over the PostgreSQL (process ${pid}) that was still running`)
    this.#port = port
    this.#held = { pid, ended }
  }
}

/** 'ThesOwnr' in ASCII, and the first half of the two numbers that name the owner. */
const ownerLock = '6082222842692726386'
const ownerPidLock = 0x54686573

const connectTimeoutMs = 5_000
const answerTimeoutMs = 30_000
const openRetryDelayMs = 100
/** A killed owner's session ends some milliseconds after it. */
const lockWaitMs = 2_000
const openWaitMs = 60_000
const recoveryDelayMs = 100
const recoveryDelayToldMs = 1_600
const recoveryDelayMaxMs = 10_000

class LockTaken extends Error {
  readonly pid: number | undefined

  constructor(pid: number | undefined) {
    super(`another server${pid ? ` (process ${pid})` : ''} has taken over its data`)
    this.pid = pid
  }
}

async function takeLock(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>(
    'select case when pg_try_advisory_lock($1) then pg_try_advisory_lock($2, $3) else false end as taken',
    [ownerLock, ownerPidLock, process.pid],
  )
  if (rows[0]?.taken) return
  const owners = await client.query<{ pid: number }>(
    "select objid::int as pid from pg_locks where locktype = 'advisory' and objsubid = 2 and classid = $1::int::oid",
    [ownerPidLock],
  )
  throw new LockTaken(owners.rows[0]?.pid)
}

/** The ledger's role owns its database and may make others (tests clone it); it is no superuser, so it cannot shut out the owner. */
async function makeDatabase(client: pg.Client, password: string): Promise<void> {
  const role = await client.query("select from pg_roles where rolname = 'thesaurum'")
  if (role.rowCount === 0) {
    await client.query(
      `begin; create role thesaurum login createdb createrole password ${pg.escapeLiteral(password)};
       grant pg_monitor, pg_signal_backend to thesaurum; commit`,
    )
  }
  const database = await client.query("select from pg_database where datname = 'thesaurum'")
  if (database.rowCount === 0) await client.query('create database thesaurum owner thesaurum')
}

/** What to tell whoever wants to open the database; undefined while another attempt may help. */
function judge(error: unknown, { dataDir, logFile }: Cluster, waitedMs: number): EmbeddedDatabaseError | undefined {
  if (error instanceof EmbeddedDatabaseError) return error
  const { message, code } = error as Error & { code?: string }
  if (error instanceof LockTaken) {
    if (waitedMs < lockWaitMs) return undefined
    return new EmbeddedDatabaseError(
      `Another Thesaurum server${error.pid ? ` (process ${error.pid})` : ''} is already running on the data in ${dataDir}. Stop it, or give this one a folder of its own with DATA_DIR.`,
    )
  }
  const isPassing = error instanceof PostmasterStartError ? error.passing : code !== SQLSTATE.INVALID_PASSWORD
  if (isPassing && waitedMs < openWaitMs) return undefined
  return new EmbeddedDatabaseError(
    `PostgreSQL could not be started on the data in ${dataDir} (its log is ${logFile}): ${message}`,
  )
}
