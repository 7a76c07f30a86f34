import { type Database, databaseOf, openPool } from '../db/pool.ts'
import { ledger as ledgerTable } from '../db/tables.ts'
import { Balances } from './balances.ts'
import { entriesOf } from './entry.ts'
import { type Feed, openFeed } from './feed.ts'
import { loadEntries } from './history.ts'
import { createPostingEngine, type PostingEngine } from './posting.ts'

export interface LedgerOptions {
  url: string
  preparedStatements: boolean
  operationDeadlineMs: number
  clockAheadMaxMs: number
  onTrouble: (error: unknown) => void
}

/** The whole ledger, open on one database. It knows money and nothing of GraphQL. */
export interface Ledger {
  /** Carried by every cursor. */
  era: string
  /** For plain reads. */
  database: Database
  posting: PostingEngine
  balances: Balances
  feed: Feed
  close(): Promise<void>
}

/** Postings are one statement after another: more connections than this only queue inside PostgreSQL. */
const WRITERS_MAX = 10
const READERS_MAX = 10
const CONNECT_TIMEOUT_MS = 5_000

/** Opens the ledger on a database that is migrated already. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { url, preparedStatements, operationDeadlineMs } = options
  const pool = (name: string, connectionsMax: number) =>
    openPool({
      url,
      name,
      connectionsMax,
      preparedStatements,
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, operationDeadlineMs),
      answerTimeoutMs: operationDeadlineMs + 1_000,
    })
  const writers = pool('thesaurum posting', WRITERS_MAX)
  const readers = pool('thesaurum reading', READERS_MAX)
  const database = databaseOf(readers)
  try {
    const [row] = await database.select({ era: ledgerTable.era }).from(ledgerTable)
    if (!row) throw new Error('private.ledger is empty: the migrations have not run, or its row was deleted')

    const feed = openFeed(async (accountId, after, limit) => {
      const [entries] = await loadEntries(database, [{ accountId, low: after + 1, high: after + limit }])
      return (entries ?? []).reverse()
    })
    const posting = createPostingEngine({
      pool: writers,
      deadlineMs: operationDeadlineMs,
      clockAheadMaxMs: options.clockAheadMaxMs,
      onPosted: (posted) => {
        if (posted.balancesAfter) {
          feed.hint(entriesOf({ ...posted, balancesAfter: posted.balancesAfter }).map((entry) => entry.accountId))
        }
      },
      onTrouble: options.onTrouble,
    })
    return {
      era: row.era,
      database,
      posting,
      balances: new Balances(readers),
      feed,
      async close() {
        feed.close()
        await Promise.all([writers.end(), readers.end()])
      },
    }
  } catch (error) {
    await Promise.all([writers.end(), readers.end()])
    throw error
  }
}
