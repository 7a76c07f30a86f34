import { type Instant, microsecondsOf } from '../db/instant.ts'
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, type PageArguments } from './page-size.ts'

/*
 * What an operation costs: about as many points as its answer can have fields, and some more for what the database has to do.
 * It is worked out before anything is carried out, with the variables and defaults it came with.
 */

/** A count, a page or a sum that may look through thousands of rows. */
const SCAN_COST = 500

/** More is refused by the field itself, for its own reasons. */
const bounded = (count: number, max: number) => Math.max(1, Math.min(max, count))

/** The items lie below `edges`, which is a list of as many as the page has. */
export const costOfEdges = { field: 1, multiplier: 1 }

/** Of a connection, by the size of its page. */
export function costOfConnection({ first, last, filter }: PageArguments & { filter?: unknown }) {
  return {
    field: filter == null ? 10 : SCAN_COST,
    multiplier: bounded(last ?? first ?? PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX),
  }
}

/** Of a list with an item for each of the ids given. */
export const costOfIds = (ids: readonly unknown[]) => ({ field: 1, multiplier: bounded(ids.length, PAGE_SIZE_MAX) })

/** Of one account; a moment of the past has a scan of its own, of which no other balance takes part. */
export const costOfBalance = (asOf: Instant | null | undefined) => (asOf == null ? 2 : 20)

/** Of several. */
export function costOfBalances({
  accountIds,
  asOf,
}: {
  accountIds: readonly unknown[]
  asOf?: Instant | null | undefined
}) {
  const { multiplier } = costOfIds(accountIds)
  return { field: costOfBalance(asOf) * multiplier, multiplier }
}

/** One posting of several: it is judged, written, and recorded if it is refused, whatever of it is asked for. */
const POSTING_COST = 10

/** Of a call of several postings. */
export const costOfPostings = (count: number, max: number) => ({
  field: POSTING_COST * bounded(count, max),
  multiplier: bounded(count, max),
})

export const costOfTotalCount = SCAN_COST

/** Of a description or a value of metadata, which may have 2,000 bytes: fifty times what another field has. */
export const costOfWords = { field: 5, multiplier: 1 }

/** Of the metadata of a transaction, as if it had all keys that it may have. */
export const costOfPairs = (max: number) => ({ field: 1, multiplier: max })

/** Microseconds, and at least so many: the days on which clocks go forward and the short months. */
const BUCKET_SIZES = { HOUR: 3_600e6, DAY: 23 * 3_600e6, WEEK: 167 * 3_600e6, MONTH: 27 * 86_400e6 }
const BUCKETS_MAX = 1_000

/** To search a decade of a time zone for changes of its clocks takes 10 ms, unless somebody asked before. */
const DECADE_COST = 100
const DECADE = 3_652 * 86_400e6
/** A thousand months are nine decades; more is refused. */
const DECADES_MAX = 10

interface HistoryArguments {
  from: Instant
  to: Instant
  bucket: keyof typeof BUCKET_SIZES
  timeZone?: string | null | undefined
}

/** Of a history, by the number of its buckets. An end in the future means now. */
export function costOfHistory({ from, to, bucket, timeZone }: HistoryArguments) {
  const end = Math.min(microsecondsOf(to), Date.now() * 1_000)
  const duration = end - microsecondsOf(from)
  const buckets = Math.ceil(duration / BUCKET_SIZES[bucket]) + 1
  const decades = timeZone == null || timeZone === 'UTC' ? 0 : bounded(Math.ceil(duration / DECADE), DECADES_MAX)
  return { field: 10 + decades * DECADE_COST, multiplier: bounded(buckets, BUCKETS_MAX) }
}
