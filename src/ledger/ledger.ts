import type { ConnectionShares } from '../db/connection-shares.ts'
import { isMigrated } from '../db/migrations.ts'
import { countedDatabaseOf, databaseOf, openPool, type PoolOptions, type PoolUse, ping, useOf } from '../db/pool.ts'
import { ledger as ledgerTable } from '../db/tables.ts'
import { opening } from '../releasers.ts'
import { Feed } from './feed/account-feed.ts'
import { CatchUp } from './feed/catch-up.ts'
import { Hints } from './feed/hints.ts'
import { TransactionFeed } from './feed/transaction-feed.ts'
import type { Finding } from './model/finding.ts'
import { accountsOf } from './model/sides.ts'
import type { LedgerTotals } from './model/totals.ts'
import { AccountChanges } from './posting/account-changes.ts'
import { PostingEngine } from './posting/engine.ts'
import { Accounts } from './reading/accounts.ts'
import { BalanceHistories } from './reading/balance-history.ts'
import { Balances } from './reading/balances.ts'
import { Currencies } from './reading/currencies.ts'
import { Entries } from './reading/entries.ts'
import { FailedTransactions } from './reading/failed-transactions.ts'
import { loadEntries } from './reading/history.ts'
import { Settling } from './reading/settling.ts'
import { loadTotals } from './reading/totals.ts'
import { Transactions } from './reading/transactions.ts'
import { Users } from './reading/users.ts'
import { Attempts } from './upkeep/attempts.ts'
import { type CheckpointGap, Checkpoints, rebuildCheckpoints } from './upkeep/checkpoints.ts'
import { renewEra } from './upkeep/era.ts'
import { verifyLedger } from './upkeep/verify.ts'

export interface LedgerOptions {
  url: string
  /** Of PostgreSQL itself, where `url` is a pooler's: for hints between server processes. */
  directUrl: string
  connections: ConnectionShares
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

/**
 * The whole ledger, open on one database. It knows money and nothing of GraphQL. It is the only door: everything outside
 * asks these objects, and nobody gets the database.
 */
export interface Ledger {
  /** Carried by every cursor. */
  era: string
  /** The code of the currency of accounts that are made without naming one, as it was when the ledger was opened. */
  currency: string
  users: Users
  accounts: Accounts
  currencies: Currencies
  posting: PostingEngine
  transactions: Transactions
  /** Records the attempts that were not posted; `failedTransactions` reads them. */
  attempts: Attempts
  failedTransactions: FailedTransactions
  entries: Entries
  balances: Balances
  histories: BalanceHistories
  /** Of accounts. */
  feed: Feed
  /** Of the whole ledger. */
  transactionFeed: TransactionFeed
  /** Sums over the whole ledger. It reads everything: for operators and checks, not for every request. */
  loadTotals(): Promise<LedgerTotals>
  /** Recomputes everything and returns what is wrong. Calls share a verification that is already running. */
  verify(): Promise<Finding[]>
  /** Writes the checkpoints that are missing, and returns in how many places they were. */
  rebuildCheckpoints(): Promise<number>
  /** After a restore: makes all cursors void. The ledger must be opened again afterwards. */
  renewEra(): Promise<void>
  /** Rejects when the database does not answer. */
  ping(): Promise<void>
  /** Whether the database has all migrations of this version. */
  isMigrated(): Promise<boolean>
  /** How much of each of its pools is in use. */
  poolUse(): (PoolUse & { name: string })[]
  close(): Promise<void>
}

/** For each statement of a verification, which reads the whole ledger. */
const VERIFY_TIMEOUT_MS = 3_600_000
const CONNECT_TIMEOUT_MS = 5_000

/** Opens the ledger on a database that is migrated already. */
export function openLedger(options: LedgerOptions): Promise<Ledger> {
  return opening(async (releasers) => {
    const { url, connections, preparedStatements, operationDeadlineMs } = options
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
    const writers = pool('thesaurum posting', connections.posting, { pipelines: true })
    const waiters = pool('thesaurum waiting', connections.waiting, { pipelines: true })
    const recorders = pool('thesaurum recording', connections.recording)
    const readers = pool('thesaurum reading', connections.reading)
    const verifiers = pool('thesaurum verifying', connections.verifying, { answerTimeoutMs: VERIFY_TIMEOUT_MS })
    const sharers = pool('thesaurum settling', connections.settling)
    const feeders = pool('thesaurum feeding', connections.feeding)
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
    const [row] = await database.select({ era: ledgerTable.era, currency: ledgerTable.currency }).from(ledgerTable)
    if (!row) throw new Error('private.ledger is empty: the migrations have not run, or its row was deleted')

    const currencies = new Currencies(database)
    // So that the answer to a posting needs no statement for its currency, which could fail after the commit.
    await currencies.all()
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
      lanesMax: connections.posting - 1,
      deadlineMs: operationDeadlineMs,
      onPosted(posted) {
        feed.deliver(posted)
        transactionFeed.hint()
        hints.send(posted.flatMap(({ transaction }) => accountsOf(transaction)))
      },
    })
    const accountChanges = new AccountChanges({ pool: recorders, deadlineMs: operationDeadlineMs })
    let verifying: Promise<Finding[]> | undefined
    const closing = new AbortController()
    return {
      era: row.era,
      currency: row.currency,
      users: new Users(database),
      accounts: new Accounts(database, accountChanges),
      currencies,
      posting,
      transactions: new Transactions(database, options.filterScanMax),
      attempts,
      failedTransactions: new FailedTransactions(database),
      entries: new Entries(database, options.filterScanMax, noteGap),
      balances,
      histories: new BalanceHistories(database, settling, balances, noteGap),
      feed,
      transactionFeed,
      loadTotals: () => loadTotals(database),
      verify() {
        verifying ??= verifyLedger(verifiers, closing.signal).finally(() => {
          verifying = undefined
        })
        return verifying
      },
      rebuildCheckpoints: () => rebuildCheckpoints(databaseOf(verifiers)),
      renewEra: () => renewEra(verifiers),
      ping: () => ping(database),
      isMigrated: () => isMigrated(database),
      poolUse: () => Object.entries(pools).map(([name, pool]) => ({ name, ...useOf(pool) })),
      async close() {
        feed.close()
        transactionFeed.close()
        closing.abort()
        await Promise.all([posting.idle(), accountChanges.idle()])
        await Promise.all([checkpoints.close(), attempts.close(), hints.close()])
        await releasers.release()
      },
    }
  })
}
