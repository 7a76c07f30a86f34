import { toTransactionId } from '../../db/ids.ts'
import { ALWAYS_BEFORE } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import type { StepPage, StepPlace, StepRequest } from '../model/feed-step.ts'
import { freshAfter } from '../model/fresh-transactions.ts'
import { cutSnapshot, durable, readSnapshot, type Snapshot } from '../model/snapshot.ts'
import type { LedgerTransaction } from '../model/transaction.ts'
import { readFreshTransactions } from '../statements/read-fresh-transactions.ts'
import { readMoreFreshTransactions } from '../statements/read-more-fresh-transactions.ts'
import { readNeededXids } from '../statements/read-needed-xids.ts'
import { readRecordedXids } from '../statements/read-recorded-xids.ts'
import { readTransactionsOfXids } from '../statements/read-transactions-of-xids.ts'

/*
 * Reads a page of a step, at a bounded cost however far behind the step begins.
 *
 * What is fresh is found by its database transaction, and delivered by time: to sort a long backlog, all of it would have to
 * be read. So a long step is cut at an *intermediate snapshot*, which sees the oldest database transactions of the
 * backlog, some hundred rows. A snapshot is good for the feed when it is *closed*: with every entry of an account, it sees
 * all earlier ones. The snapshots of PostgreSQL are closed, since an entry is committed before the next one is
 * numbered. A cut by number alone is not: a transaction with a lower number may have waited for an account, and
 * follow on one with a higher number. So whatever depends on something beyond the cut is left out of the
 * intermediate snapshot, as if it were still in flight, and is delivered by a later step. Those are few: each was in
 * flight when the transaction at the cut began.
 *
 * Between two closed snapshots, order by time keeps the order of every account, as its times rise.
 */

export interface StepLimits {
  /** Transactions read at once. */
  pageRowsMax: number
  /** A step that has more is cut, at the end of a database transaction. */
  stepRowsMax: number
  /**
   * A step with more has a database transaction that no engine wrote (BATCH_SIZE_MAX is at most 10,000): somebody filled the
   * ledger by SQL. It is read by an index on its times, and taken to depend on nothing after it. That holds when it is
   * one statement, or locks the table as an import does.
   */
  sortedRowsMax: number
  /** Database transactions whose rows are merged by time. */
  mergedXidsMax: number
}

/** A step of less than a page is read at once. */
const LIMITS: StepLimits = { pageRowsMax: 500, stepRowsMax: 499, sortedRowsMax: 10_000, mergedXidsMax: 1_000 }

/** Before the first place of a step. */
const START = {
  createdAt: ALWAYS_BEFORE,
  id: toTransactionId('00000000-0000-0000-0000-000000000000'),
} satisfies StepPlace

/** @param limits other ones are for tests: the answers put together are right with any. */
export async function readStepPage(
  database: Database,
  { previous, snapshot, after }: StepRequest,
  limits: StepLimits = LIMITS,
): Promise<StepPage> {
  const page = (end: Snapshot, transactions: LedgerTransaction[], isWhole: boolean): StepPage => ({
    snapshot: end,
    transactions,
    isWhole,
    isLast: transactions.length < limits.pageRowsMax,
  })
  if (after !== null && snapshot !== null) {
    return page(snapshot, await readStep(database, { previous, snapshot, after }, limits), true)
  }
  const { pageRowsMax, stepRowsMax } = limits
  const fresh = await readFresh(database, { previous, snapshot, after: START }, pageRowsMax, stepRowsMax, limits)
  if (fresh.cut === null) {
    const step = { previous, snapshot: fresh.snapshot, after: START }
    return page(fresh.snapshot, fresh.transactions ?? (await readLargeStep(database, step, limits)), true)
  }
  const intermediate = await findIntermediateSnapshot(database, previous, fresh.snapshot, fresh.cut, limits)
  return page(intermediate, await readStep(database, { previous, snapshot: intermediate, after: START }, limits), false)
}

/** A step that was begun: its end, and a place in it. */
interface BegunStep {
  previous: Snapshot
  snapshot: Snapshot
  after: NonNullable<StepPlace>
}

async function readStep(database: Database, step: BegunStep, limits: StepLimits): Promise<LedgerTransaction[]> {
  const { transactions } = await readFresh(database, step, limits.pageRowsMax, limits.sortedRowsMax, limits)
  return transactions ?? readLargeStep(database, step, limits)
}

interface Fresh {
  snapshot: Snapshot
  /** The step has more than `rangeMax` rows, and is to be cut right before this database transaction. */
  cut: string | null
  /** undefined: there are too many to sort. */
  transactions: LedgerTransaction[] | undefined
}

async function readFresh(
  database: Database,
  { previous, snapshot, after }: Omit<BegunStep, 'snapshot'> & { snapshot: Snapshot | null },
  limit: number,
  rangeMax: number,
  { sortedRowsMax }: StepLimits,
): Promise<Fresh> {
  const rows = await readFreshTransactions(database).execute({
    ...partsOf(previous),
    ...after,
    snapshot,
    rangeMax,
    inFlightMax: sortedRowsMax,
    limit,
  })
  const [{ snapshot: taken, head, first, cut, isLarge }] = rows as [(typeof rows)[number]]
  const transactions = rows.flatMap(({ snapshot: _, head: __, first: ___, cut: ____, isLarge: _____, id, ...rest }) =>
    id === null ? [] : [{ id, ...rest }],
  )
  return {
    snapshot: snapshot ?? durable(taken, head),
    // A database transaction that has so many rows by itself is not cut.
    cut: cut !== null && cut === first ? String(BigInt(cut) + 1n) : cut,
    transactions: cut === null && !isLarge ? transactions : undefined,
  }
}

/** A closed snapshot between two others, that sees nothing from the database transaction `end` on. */
async function findIntermediateSnapshot(
  database: Database,
  previous: Snapshot,
  snapshot: Snapshot,
  end: string,
  { sortedRowsMax: rowsMax }: StepLimits,
): Promise<Snapshot> {
  const needs = await readNeededXids(database).execute({ ...partsOf(previous), snapshot, end, rowsMax })
  const hidden = new Set<string>()
  const isHidden = (xid: string) => hidden.has(xid) || BigInt(xid) >= BigInt(end)
  for (let size = -1; size < hidden.size; ) {
    size = hidden.size
    for (const { xid, needed } of needs) if (isHidden(needed)) hidden.add(xid)
  }
  return cutSnapshot(snapshot, end, [...hidden])
}

/** A page of a step with too many rows to sort them all. */
async function readLargeStep(
  database: Database,
  { previous, snapshot, after }: BegunStep,
  { pageRowsMax: limit, mergedXidsMax }: StepLimits,
): Promise<LedgerTransaction[]> {
  const { xmax, inFlight } = partsOf(previous)
  const end = partsOf(snapshot)
  const range = await readRecordedXids(database).execute({ xmax, end: end.xmax, limit: mergedXidsMax + 1 })
  if (range.length <= mergedXidsMax) {
    const xids = [...inFlight, ...range.map(({ xid }) => xid)].filter((xid) => !end.inFlight.includes(xid))
    return readTransactionsOfXids(database).execute({ xids, ...after, limit })
  }
  // Only cursors from before intermediate snapshots existed can be in such a step.
  return readMoreFreshTransactions(database).execute({ ...freshAfter(previous), snapshot, ...after, limit })
}

function partsOf(snapshot: Snapshot): { xmax: string; inFlight: string[] } {
  const { xmax, inFlight } = readSnapshot(snapshot) as { xmax: bigint; inFlight: string[] }
  return { xmax: String(xmax), inFlight }
}
