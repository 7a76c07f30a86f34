import type { Database } from '../../db/pool.ts'
import type { LedgerEntry } from '../model/entry.ts'
import type { EntryRange } from '../model/entry-range.ts'
import { readEntries } from '../statements/read-entries.ts'
import type { CheckpointGap } from '../upkeep/checkpoints.ts'
import { inChunks } from './chunks.ts'

/**
 * The entries of each range, newest first, with their running balances. One statement reads many ranges.
 *
 * @param onGap called with each gap between checkpoints that was summed for the balance before a range.
 */
export function loadEntries(
  database: Database,
  ranges: readonly EntryRange[],
  onGap: (gap: CheckpointGap) => void,
): Promise<LedgerEntry[][]> {
  const lengthOf = ({ low, high }: EntryRange) => Math.max(0, high - low + 1)
  return inChunks(ranges, lengthOf, (ranges) => loadChunk(database, ranges, onGap))
}

async function loadChunk(
  database: Database,
  ranges: readonly EntryRange[],
  onGap: (gap: CheckpointGap) => void,
): Promise<LedgerEntry[][]> {
  const pages = ranges.map((): LedgerEntry[] => [])
  if (ranges.every(({ low, high }) => low > high)) return pages
  const rows = await readEntries(database).execute({
    ids: ranges.map((range) => range.accountId),
    lows: ranges.map((range) => range.low),
    highs: ranges.map((range) => range.high),
  })
  for (const { request, checkpointSequence, sequence, change, balanceAfter, ...transaction } of rows) {
    const { accountId, low } = ranges[request - 1] as EntryRange
    if (sequence === low) onGap({ accountId, low: checkpointSequence, high: low - 1 })
    pages[request - 1]?.push({ accountId, sequence, change, balanceAfter, transaction })
  }
  return pages
}
