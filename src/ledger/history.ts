import type { Database } from '../db/pool.ts'
import type { LedgerEntry } from './entry.ts'
import { readEntries } from './statements/read-entries.ts'

/** Entries `low` … `high` of an account, both included; an empty range when low is above high. */
export interface EntryRange {
  accountId: string
  low: number
  high: number
}

export interface PageRequest {
  /** The newest so many of the window; or … */
  first?: number | undefined
  /** … the oldest so many of it. */
  last?: number | undefined
  /** Only entries older than this position. */
  after?: number | undefined
  /** Only entries newer than this position. */
  before?: number | undefined
}

/**
 * The entries of one page. An account is shown newest first, so `after` goes down and `before` goes up. Numbers have no
 * gaps: a page is plain arithmetic, as fast at the end of a long account as at its start.
 *
 * @param head the number of the account's last entry.
 */
export function pageRange({ first, last, after, before }: PageRequest, head: number): { low: number; high: number } {
  const low = (before ?? 0) + 1
  const high = Math.min(head, (after ?? Number.POSITIVE_INFINITY) - 1)
  if (last !== undefined) return { low, high: Math.min(high, low + last - 1) }
  return { low: Math.max(low, high - (first ?? 0) + 1), high }
}

/** The entries of each range, newest first, with their running balances; one statement for any number of ranges. */
export async function loadEntries(database: Database, ranges: readonly EntryRange[]): Promise<LedgerEntry[][]> {
  const pages = ranges.map((): LedgerEntry[] => [])
  if (ranges.every(({ low, high }) => low > high)) return pages
  const rows = await readEntries(database).execute({
    ids: ranges.map((range) => range.accountId),
    lows: ranges.map((range) => range.low),
    highs: ranges.map((range) => range.high),
  })
  for (const { request, sequence, change, balanceAfter, ...transaction } of rows) {
    const { accountId } = ranges[request - 1] as EntryRange
    pages[request - 1]?.push({ accountId, sequence, change, balanceAfter, transaction })
  }
  return pages
}
