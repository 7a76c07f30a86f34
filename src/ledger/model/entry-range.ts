import type { AccountId } from '../../db/ids.ts'
import type { PageRequest } from './page-request.ts'

/** Entries `low` … `high` of an account, both included; none when low is above high. */
export interface EntryRange {
  accountId: AccountId
  low: number
  high: number
}

/** The entries of one page, and whether there are more around it. */
export interface PageRange extends EntryRange {
  hasOlder: boolean
  hasNewer: boolean
}

/**
 * The entries of one page of a list, which is a range too. An account is shown newest first, so `after` goes down and
 * `before` goes up. Numbers have no gaps, so a page is plain arithmetic, and as fast at the end of a long account as at its
 * start.
 */
export function pageRange({ first, last, after, before }: PageRequest<number>, list: EntryRange): PageRange {
  let low = Math.max(list.low, (before ?? 0) + 1)
  let high = Math.min(list.high, (after ?? Number.POSITIVE_INFINITY) - 1)
  if (last === undefined) low = Math.max(low, high - (first ?? 0) + 1)
  else high = Math.min(high, low + last - 1)
  const hasAny = list.low <= list.high
  return {
    accountId: list.accountId,
    low,
    high,
    hasOlder: hasAny && low > list.low,
    hasNewer: hasAny && high < list.high,
  }
}
