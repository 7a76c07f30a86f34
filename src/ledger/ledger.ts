import { jointStatement } from '../db/joint-statement.ts'
import {
  countedDatabaseOf,
  type Database,
  databaseOf,
  openPool,
  type PoolOptions,
  type PoolUse,
  useOf,
} from '../db/pool.ts'
import { ledger as ledgerTable } from '../db/tables.ts'
import { opening } from '../releasers.ts'
import { Feed } from './feed/account-feed.ts'
import { CatchUp } from './feed/catch-up.ts'
import { Hints } from './feed/hints.ts'
import { TransactionFeed } from './feed/transaction-feed.ts'
import type { Finding } from './model/finding.ts'
import { accountsOf } from './model/posting.ts'
import type { User, UserKey } from './model/user.ts'
import { PostingEngine } from './posting/engine.ts'
import { BalanceHistories } from './reading/balance-history.ts'
import { Balances } from './reading/balances.ts'
import { loadEntries } from './reading/history.ts'
import { Settling } from './reading/settling.ts'
import { findUsersByKey } from './reading/users.ts'
import { Attempts } from './upkeep/attempts.ts'
import { type CheckpointGap, Checkpoints, rebuildCheckpoints } from './upkeep/checkpoints.ts'
import { renewEra } from './upkeep/era.ts'
import { verifyLedger } from './upkeep/verify.ts'

export interface LedgerOptions {
  url: string
  /** Of PostgreSQL itself, where `url` is a pooler's: for hints between server processes. */
  directUrl: string
  preparedStatements: boolean
  operationDeadlineMs: number
  clockAheadMaxMs: number
  batchSizeMax: number
  queueLengthMax: number
  batchLockWaitMs: number
  filterScanMax: number
  failedTransactionsPerHourMax: number
  onError: (error: unknown) => void
}

/** The whole ledger, open on one database. It knows money and nothing of GraphQL. */
export interface Ledger {
  /** Carried by every cursor. */
  era: string
  /** For plain reads. */
  database: Database
  /** Users in the order of the keys; those that are asked for at once, by whomever, in one statement. */
  findUsers(keys: readonly UserKey[]): Promise<(User | undefined)[]>
  posting: PostingEngine
  attempts: Attempts
  balances: Balances
  histories: BalanceHistories
  /** Takes a gap between checkpoints that a read had to sum up. A long gap gets checkpoints, in the background. */
  noteGap(gap: CheckpointGap): void
  /** How many items a page under a filter looks through at most. */
  filterScanMax: number
  /** Of accounts, and of the whole ledger. */
  feed: Feed
  transactionFeed: TransactionFeed
  /** Recomputes everything and says what is wrong; asked again while it runs, it answers both. */
  verify(): Promise<Finding[]>
  /** Writes the checkpoints that are missing, and says in how many places they were. */
  rebuildCheckpoints(): Promise<number>
  /** After a restore: voids all cursors. To be opened anew afterwards. */
  renewEra(): Promise<void>
  /** How much of each of its pools is in use. */
  poolUse(): (PoolUse & { name: string })[]
  close(): Promise<void>
}

/** Batches in flight at once: past three, they only get smaller (docs/performance.md). */
const LANES_MAX = 3
/** Locked accounts that are waited for at once; calls for more take turns. */
const WAITERS_MAX = 8
const READERS_MAX = 10
/** What subscribers wait for, whatever is asked meanwhile. */
const FEEDERS_MAX = 3
/** Reads that wait for a locked account. */
const SHARERS_MAX = 2
/** Checkpoints and failed attempts. */
const RECORDERS_MAX = 2
/** A verification, and the rebuilding of checkpoints. */
const VERIFIERS_MAX = 2
/** For each statement of a verification, which reads the whole ledger. */
const VERIFY_TIMEOUT_MS = 3_600_000
const CONNECT_TIMEOUT_MS = 5_000

/** Opens the ledger on a database that is migrated already. */
export function openLedger(options: LedgerOptions): Promise<Ledger> {
  return opening(async (releasers) => {
    const { url, preparedStatements, operationDeadlineMs } = options
    const pool = (name: string, connectionsMax: number, special: Partial<PoolOptions> = {}) => {
      const opened = openPool({
        url,
        name,
        connectionsMax,
        preparedStatements,
        connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, operationDeadlineMs),
        answerTimeoutMs: operationDeadlineMs + 1_000,
        ...special,
      })
      releasers.add(() => opened.end())
      return opened
    }
    const writers = pool('thesaurum posting', LANES_MAX + 1, { pipelines: true })
    const waiters = pool('thesaurum waiting', WAITERS_MAX, { pipelines: true })
    const recorders = pool('thesaurum recording', RECORDERS_MAX)
    const readers = pool('thesaurum reading', READERS_MAX)
    const verifiers = pool('thesaurum verifying', VERIFIERS_MAX, { answerTimeoutMs: VERIFY_TIMEOUT_MS })
    const sharers = pool('thesaurum settling', SHARERS_MAX)
    const feeders = pool('thesaurum feeding', FEEDERS_MAX)
    const pools = {
      posting: writers,
      waiting: waiters,
      recording: recorders,
      reading: readers,
      verifying: verifiers,
      settling: sharers,
      feeding: feeders,
    }
    const database = countedDatabaseOf(readers)
    const feedDatabase = databaseOf(feeders)
    const [row] = await database.select({ era: ledgerTable.era }).from(ledgerTable)
    if (!row) throw new Error('private.ledger is empty: the migrations have not run, or its row was deleted')

    const checkpoints = new Checkpoints(databaseOf(recorders), verifiers, options.onError)
    const noteGap = (gap: CheckpointGap) => checkpoints.noteGap(gap)
    const catchUp = new CatchUp()
    const feed = new Feed((ranges) => loadEntries(feedDatabase, ranges, noteGap), catchUp, options.onError)
    const transactionFeed = new TransactionFeed(feedDatabase, catchUp, options.onError)
    // A ledger that was restored from a dump is reported now, and not by the first subscriber.
    await transactionFeed.now().catch(options.onError)
    const hints = new Hints({
      url: options.directUrl,
      onError: options.onError,
      onHint(accountIds) {
        feed.hint(accountIds)
        transactionFeed.hint()
      },
    })
    const settling = new Settling(database, sharers)
    const balances = new Balances(database, settling, noteGap)
    const attempts = new Attempts(databaseOf(recorders), options.onError, options.failedTransactionsPerHourMax)
    const posting = new PostingEngine({
      ...options,
      pool: writers,
      waitingPool: waiters,
      checkpoints,
      attempts,
      lanesMax: LANES_MAX,
      deadlineMs: operationDeadlineMs,
      onPosted(posted) {
        feed.deliver(posted)
        transactionFeed.hint()
        hints.send(posted.flatMap(({ transaction }) => accountsOf(transaction)))
      },
    })
    let verifying: Promise<Finding[]> | undefined
    const closing = new AbortController()
    return {
      era: row.era,
      database,
      findUsers: jointStatement((keys) => findUsersByKey(database, keys)),
      posting,
      attempts,
      balances,
      noteGap,
      filterScanMax: options.filterScanMax,
      histories: new BalanceHistories(database, settling, balances, noteGap),
      feed,
      transactionFeed,
      verify() {
        verifying ??= verifyLedger(verifiers, closing.signal).finally(() => {
          verifying = undefined
        })
        return verifying
      },
      rebuildCheckpoints: () => rebuildCheckpoints(databaseOf(verifiers)),
      renewEra: () => renewEra(verifiers),
      poolUse: () => Object.entries(pools).map(([name, pool]) => ({ name, ...useOf(pool) })),
      async close() {
        feed.close()
        transactionFeed.close()
        closing.abort()
        await posting.idle()
        await Promise.all([checkpoints.close(), attempts.close(), hints.close()])
        await releasers.release()
      },
    }
  })
}
