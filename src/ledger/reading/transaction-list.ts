import { and, asc, desc, getTableColumns, gte, lt, lte, type SQL, sql } from 'drizzle-orm'
import type { Metadata } from '../../db/metadata.ts'
import type { Database } from '../../db/pool.ts'
import { transactions } from '../../db/tables.ts'
import { containsWords } from '../model/entry-filter.ts'
import { type FilteredPage, filteredPage } from '../model/filtered-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { isOfKind } from '../model/sides.ts'
import { type LedgerTransaction, transactionColumns } from '../model/transaction.ts'
import type { TransactionFilter, TransactionPosition } from '../model/transaction-page.ts'

/*
 * The whole ledger, newest first by time and then by id. So the entries of one account are in order. Transactions that were
 * in flight together are ordered by the times that they were given, whichever was committed first.
 */

/** More than a ledger can hold, as a limit. */
const ALL = Number.MAX_SAFE_INTEGER
/** The longest list that is counted. */
const COUNTED_MAX = 1_000_000
/** So few transactions with some metadata are counted by its index. */
const COUNTED_BY_INDEX_MAX = 10_000
/** How many transactions are looked through before the index on metadata is asked: less than a millisecond. */
const PROBED_MAX = 500

const PLACE = sql`(${transactions.createdAt}, ${transactions.id})`
const placeOf = ({ createdAt, id }: TransactionPosition) => sql`(${createdAt}::timestamptz, ${id}::uuid)`

/** The range of time is read in order; the other conditions are then checked for each transaction. */
const rangeOf = ({ from, to }: TransactionFilter) =>
  and(
    from == null ? undefined : gte(transactions.createdAt, from),
    to == null ? undefined : lt(transactions.createdAt, to),
  )
const matchOf = ({
  kind,
  amountMin,
  amountMax,
  metadata,
  descriptionContains,
  reversal,
  currency,
}: TransactionFilter) =>
  and(
    kind == null ? undefined : isOfKind(kind),
    amountMin == null ? undefined : gte(transactions.amount, amountMin),
    amountMax == null ? undefined : lte(transactions.amount, amountMax),
    metadata == null ? undefined : hasMetadata(metadata),
    descriptionContains == null ? undefined : containsWords(sql`${descriptionContains}`),
    reversal == null ? undefined : sql`(reverses_id is not null) = ${reversal}`,
    currency == null ? undefined : isInCurrency(currency),
  )

const hasMetadata = (metadata: Metadata) => sql`${transactions.metadata} @> ${JSON.stringify(metadata)}::jsonb`

/** Both accounts have one currency. */
const isInCurrency = (currency: string) => sql`exists (
  select from public.accounts where id = coalesce(destination_account_id, source_account_id) and currency = ${currency})`

/** Whether each transaction has to be checked. */
const isSelective = (filter: TransactionFilter) => matchOf(filter) !== undefined

const { recordedXid: _, ...columns } = getTableColumns(transactions)

/** The next `scanMax` transactions in order. It has the name of the table, so that the columns of the table mean these rows. */
function scan(database: Database, where: SQL | undefined, goesUp: boolean, scanMax: number) {
  return database
    .select(columns)
    .from(transactions)
    .where(where)
    .orderBy(...orderOf(goesUp))
    .limit(scanMax)
    .as('transactions')
}

/**
 * All transactions with this metadata, by the index on it, under the name of the table. Without a limit of its own PostgreSQL
 * may look for them by time, through the whole ledger.
 */
function withMetadata(database: Database, metadata: Metadata) {
  return database.select(columns).from(transactions).where(hasMetadata(metadata)).limit(ALL).as('transactions')
}

/**
 * Whether at most `max` transactions have this metadata. What is common costs no sort and few rows: PostgreSQL stops at the
 * number. A `limit` instead would have it expect to stop soon, and look for what is rare through the whole ledger.
 */
async function isRare(database: Database, metadata: Metadata, max: number): Promise<boolean> {
  const numbered = database
    .select({ number: sql`row_number() over ()`.as('number') })
    .from(transactions)
    .where(hasMetadata(metadata))
    .as('numbered')
  const [row] = await database
    .select({ count: sql`count(*)`.mapWith(Number) })
    .from(numbered)
    .where(lte(numbered.number, max + 1))
  return row !== undefined && row.count <= max
}

/** Reads a page by keyset; it looks through at most `scanMax` transactions on either side of where it starts. */
export async function pageTransactions(
  database: Database,
  { first, last, after, before }: PageRequest<TransactionPosition>,
  filter: TransactionFilter,
  scanMax: number,
): Promise<FilteredPage<LedgerTransaction, TransactionPosition>> {
  const goesUp = last !== undefined
  const size = last ?? first ?? 0
  const [start, end] = goesUp ? [before, after] : [after, before]
  const ahead = and(rangeOf(filter), start && sql`${PLACE} ${goesUp ? sql`>` : sql`<`} ${placeOf(start)}`)
  const behind = start && and(rangeOf(filter), sql`${PLACE} ${goesUp ? sql`<=` : sql`>=`} ${placeOf(start)}`)

  const isBeyond = (position: TransactionPosition) =>
    end !== undefined && compare(position, end) * (goesUp ? 1 : -1) >= 0
  const select = (rows: ReturnType<typeof scan>, where: SQL | undefined) =>
    database
      .select(transactionColumns)
      .from(rows)
      .where(where)
      .orderBy(...orderOf(goesUp))
      // One more, to find out whether there are more.
      .limit(size + 1)
  const lookThrough = (max: number) => select(scan(database, ahead, goesUp, max), matchOf(filter))
  // Metadata that is common fills a page soon. What is rare is found by an index, wherever it is. What is common, but not
  // here, or not with the rest of the filter, is looked for as without metadata.
  const isProbe = filter.metadata != null && scanMax > PROBED_MAX
  let matches = await lookThrough(isProbe ? PROBED_MAX : scanMax)
  if (matches.length <= size && filter.metadata && (await isRare(database, filter.metadata, scanMax))) {
    const [all, other] = await Promise.all([
      select(withMetadata(database, filter.metadata), and(ahead, matchOf(filter))),
      behind &&
        database
          .select({ id: transactions.id })
          .from(withMetadata(database, filter.metadata))
          .where(and(behind, matchOf(filter)))
          // Without an order PostgreSQL would expect to find one soon, and look for it through the whole ledger.
          .orderBy(...orderOf(!goesUp))
          .limit(1),
    ])
    return filteredPage<LedgerTransaction, TransactionPosition>(
      { matches: all, matchesBehind: (other?.length ?? 0) > 0, stoppedAt: undefined },
      size,
      (transaction) => !isBeyond(transaction),
      goesUp,
    )
  }
  if (matches.length <= size && isProbe) matches = await lookThrough(scanMax)
  const isFull = matches.length > size
  const [matchesBehind, stoppedAt] = await Promise.all([
    behind ? hasMatch(database, filter, scan(database, behind, !goesUp, scanMax)) : false,
    isFull || !isSelective(filter) ? undefined : findStop(database, ahead, goesUp, scanMax),
  ])
  // Transactions that were added meanwhile move the stop back, but never to before a match that was found.
  const found = matches.at(-1)
  const stop = found && stoppedAt && compare(found, stoppedAt) * (goesUp ? 1 : -1) > 0 ? found : stoppedAt
  return filteredPage(
    { matches, matchesBehind, stoppedAt: stop && isBeyond(stop) ? undefined : stop },
    size,
    (transaction) => !isBeyond(transaction),
    goesUp,
  )
}

/** How many transactions match; null when there are too many to look through. */
export async function countTransactions(database: Database, filter: TransactionFilter): Promise<number | null> {
  const { metadata } = filter
  const match = matchOf(filter)
  if (metadata && (await isRare(database, metadata, COUNTED_BY_INDEX_MAX)))
    return database.$count(withMetadata(database, metadata), and(rangeOf(filter), match))
  const looked = database
    .select(columns)
    .from(transactions)
    .where(rangeOf(filter))
    .limit(COUNTED_MAX + 1)
    .as('transactions')
  const [row] = await database
    .select({
      all: sql`count(*)`.mapWith(Number),
      matching: sql`count(*) filter (where ${match ?? sql`true`})`.mapWith(Number),
    })
    .from(looked)
  return row && row.all <= COUNTED_MAX ? row.matching : null
}

async function hasMatch(
  database: Database,
  filter: TransactionFilter,
  scanned: ReturnType<typeof scan>,
): Promise<boolean> {
  const found = await database.select({ id: transactions.id }).from(scanned).where(matchOf(filter)).limit(1)
  return found.length > 0
}

/** The last transaction that a scan looks at, unless it is the last of the list. */
async function findStop(database: Database, where: SQL | undefined, goesUp: boolean, scanMax: number) {
  const [stop, next] = await database
    .select({ id: transactionColumns.id, createdAt: transactionColumns.createdAt })
    .from(transactions)
    .where(where)
    .orderBy(...orderOf(goesUp))
    .limit(2)
    .offset(scanMax - 1)
  return next && stop
}

function orderOf(goesUp: boolean): SQL[] {
  const order = goesUp ? asc : desc
  return [order(transactions.createdAt), order(transactions.id)]
}

/** Instants sort as text, and so do ids. */
function compare(one: TransactionPosition, other: TransactionPosition): number {
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt ? -1 : 1
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0
}
