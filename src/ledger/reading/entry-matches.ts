import type { Database } from '../../db/pool.ts'
import type { LedgerEntry } from '../model/entry.ts'
import { filterValues } from '../model/entry-filter.ts'
import type { EntryList, MatchRequest } from '../model/entry-list.ts'
import type { EntryRange } from '../model/entry-range.ts'
import { type FilteredPage, filteredPage } from '../model/filtered-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { readMatchCounts } from '../statements/read-match-counts.ts'
import { readMatchingEntries } from '../statements/read-matching-entries.ts'
import type { CheckpointGap } from '../upkeep/checkpoints.ts'
import { inChunks } from './chunks.ts'

/** The longest range that is counted. */
const COUNTED_MAX = 1_000_000

/** An empty range. */
const NONE = { low: 1, high: 0 }

/**
 * One page of each list, with running balances. One statement reads many pages. A page looks through at most `scanMax`
 * entries on either side of its start: since numbers have no gaps, that is plain arithmetic.
 *
 * @param onGap called with each gap between checkpoints that was summed for a running balance.
 */
export function loadMatches(
  database: Database,
  requests: readonly MatchRequest[],
  scanMax: number,
  onGap: (gap: CheckpointGap) => void,
): Promise<FilteredPage<LedgerEntry, number>[]> {
  const rowsOf = ({ page }: MatchRequest) => sizeOf(page) + 1
  return inChunks(requests, rowsOf, (requests) => loadChunk(database, requests, scanMax, onGap))
}

async function loadChunk(
  database: Database,
  requests: readonly MatchRequest[],
  scanMax: number,
  onGap: (gap: CheckpointGap) => void,
): Promise<FilteredPage<LedgerEntry, number>[]> {
  const scans = requests.map((request) => scanOf(request, scanMax))
  const rows = await readMatchingEntries(database).execute({
    ...filterValues(requests.map(({ list }) => list)),
    lows: scans.map(({ low }) => low),
    highs: scans.map(({ high }) => high),
    // One more, to find out whether there are more.
    sizes: requests.map(({ page }) => sizeOf(page) + 1),
    ascending: requests.map(({ page }) => goesUp(page)),
    otherLows: scans.map(({ behind }) => behind.low),
    otherHighs: scans.map(({ behind }) => behind.high),
  })
  const found = requests.map(() => ({ entries: [] as LedgerEntry[], matchesBehind: false }))
  for (const { request, other, checkpointSequence, sequence, change, balanceAfter, ...transaction } of rows) {
    const { accountId } = (requests[request - 1] as MatchRequest).list
    const one = found[request - 1] as (typeof found)[number]
    one.matchesBehind = other
    if (sequence !== null) {
      one.entries.push({ accountId, sequence, change, balanceAfter, transaction })
      onGap({ accountId, low: checkpointSequence, high: sequence })
    }
  }
  return requests.map(({ page }, index) => {
    const { entries, matchesBehind } = found[index] as (typeof found)[number]
    const { after = Number.POSITIVE_INFINITY, before = -1 } = page
    return filteredPage(
      {
        matches: goesUp(page) ? entries.reverse() : entries,
        stoppedAt: scans[index]?.stoppedAt,
        matchesBehind,
      },
      sizeOf(page),
      ({ sequence }) => sequence < after && sequence > before,
      goesUp(page),
    )
  })
}

/** How many entries of each list match; null for a range that is too long to count. One statement counts all. */
export async function countMatches(database: Database, lists: readonly EntryList[]): Promise<(number | null)[]> {
  const isCounted = ({ low, high }: EntryRange) => high - low < COUNTED_MAX
  const counted = lists.filter(isCounted)
  const rows =
    counted.length === 0
      ? []
      : await readMatchCounts(database).execute({
          ...filterValues(counted),
          lows: counted.map(({ low }) => low),
          highs: counted.map(({ high }) => high),
        })
  return lists.map((list) => (isCounted(list) ? (rows.shift()?.count ?? 0) : null))
}

const goesUp = ({ last }: PageRequest<number>) => last !== undefined
const sizeOf = ({ first, last }: PageRequest<number>) => last ?? first ?? 0

/** The range to look through ahead, where it stops before the end of the list, and the range behind the start of the page. */
function scanOf({ list, page }: MatchRequest, scanMax: number) {
  const { after, before } = page
  if (goesUp(page)) {
    const low = Math.max(list.low, (before ?? 0) + 1)
    const high = Math.min(list.high, low + scanMax - 1)
    const last = Math.min(list.high, before ?? 0)
    const behind = before === undefined ? NONE : { low: Math.max(list.low, last - scanMax + 1), high: last }
    const isWhole = high >= list.high || (after !== undefined && high >= after - 1)
    return { low, high, behind, stoppedAt: isWhole ? undefined : high }
  }
  const high = Math.min(list.high, (after ?? Number.POSITIVE_INFINITY) - 1)
  const low = Math.max(list.low, high - scanMax + 1)
  const first = Math.max(list.low, after ?? 0)
  const behind = after === undefined ? NONE : { low: first, high: Math.min(list.high, first + scanMax - 1) }
  const isWhole = low <= list.low || (before !== undefined && low <= before + 1)
  return { low, high, behind, stoppedAt: isWhole ? undefined : low }
}
