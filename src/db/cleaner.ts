import { setTimeout as sleep } from 'node:timers/promises'
import { type SQL, sql } from 'drizzle-orm'
import { type Database, databaseOf, openPool, type PoolOptions } from './pool.ts'
import type { RetentionRule } from './retention-rule.ts'

/*
 * Deletes what was kept long enough. Every server process has a cleaner; a batch skips the rows that another process has
 * locked, so any number of them share the work. A round deletes a small batch for each rule in turn, with a pause after
 * each batch, until no rule has a full batch left. It uses a connection of its own, so nobody waits for it.
 */

export interface CleanerOptions extends Pick<PoolOptions, 'url' | 'preparedStatements' | 'answerTimeoutMs'> {
  rules: readonly RetentionRule[]
  /** Called when a rule fails, once until it succeeds again. */
  onError: (error: unknown) => void
}

export interface Cleaner {
  /** Rows deleted since the start, by the name of the rule. */
  readonly deletedCounts: ReadonlyMap<string, number>
  /** Deletes everything that is due. Does not reject: what fails is reported and tried again in the next round. */
  clean(): Promise<void>
  /** Ends after the batch that is under way. Idempotent. */
  close(): Promise<void>
}

/** Short enough that a batch never holds its locks for more than some milliseconds. */
const BATCH_ROWS_MAX = 500
/** At most 2,500 rows a second: less than 2 % of what PostgreSQL can delete. */
const BATCH_PAUSE_MS = 200
/** Each round starts after this, up to twice as long, so that processes that started together do not stay together. */
const ROUND_PAUSE_MS = 5 * 60_000
const CONNECT_TIMEOUT_MS = 5_000

/** Starts cleaning in the background, on a database that is migrated already. */
export function openCleaner({ rules, onError, ...options }: CleanerOptions): Cleaner {
  const pool = openPool({
    ...options,
    name: 'thesaurum cleaning',
    connectionsMax: 1,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
  })
  const database = databaseOf(pool)
  const closing = new AbortController()
  const { signal } = closing
  const deletedCounts = new Map(rules.map(({ name }) => [name, 0]))
  const failing = new Set<RetentionRule>()
  /** False when the cleaner is closed meanwhile. */
  const pause = (ms: number): Promise<boolean> =>
    sleep(ms, undefined, { signal, ref: false }).then(
      () => true,
      () => false,
    )

  async function cleanBatch(rule: RetentionRule): Promise<number> {
    try {
      const count = await deleteBatch(database, rule)
      failing.delete(rule)
      deletedCounts.set(rule.name, (deletedCounts.get(rule.name) ?? 0) + count)
      return count
    } catch (error) {
      if (!failing.has(rule) && !signal.aborted) onError(error)
      failing.add(rule)
      return 0
    }
  }

  async function cleanAll(): Promise<void> {
    let left = rules
    while (left.length > 0) {
      const full: RetentionRule[] = []
      for (const rule of left) {
        if (signal.aborted) return
        if ((await cleanBatch(rule)) < BATCH_ROWS_MAX) continue
        full.push(rule)
        await pause(BATCH_PAUSE_MS)
      }
      left = full
    }
  }

  let cleaning: Promise<void> | undefined
  function clean(): Promise<void> {
    cleaning ??= cleanAll().finally(() => {
      cleaning = undefined
    })
    return cleaning
  }

  async function run(): Promise<void> {
    while (await pause(ROUND_PAUSE_MS * (1 + Math.random()))) await clean()
  }
  const running = run()
  let closed: Promise<void> | undefined

  return {
    deletedCounts,
    clean,
    close() {
      closing.abort()
      closed ??= Promise.all([running, cleaning]).then(() => pool.end())
      return closed
    },
  }
}

async function deleteBatch(database: Database, rule: RetentionRule): Promise<number> {
  const { rowCount } = await database.execute(deletionOf(rule))
  return rowCount ?? 0
}

/** The statement that deletes a batch. */
export function deletionOf({ table, key, endedAt, deletedBefore }: RetentionRule): SQL {
  // The order has PostgreSQL use the index, however many rows it expects. An array, so that the keys are looked up.
  return sql`delete from ${table} where ${key} = any(array(
    select ${key} from ${table} where ${endedAt} < ${deletedBefore}
    order by ${endedAt} limit ${BATCH_ROWS_MAX} for update skip locked))`
}
