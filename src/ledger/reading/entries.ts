import type { Database } from '../../db/pool.ts'
import type { LedgerEntry } from '../model/entry.ts'
import type { EntryList, MatchRequest } from '../model/entry-list.ts'
import type { EntryRange } from '../model/entry-range.ts'
import type { FilteredPage } from '../model/filtered-page.ts'
import type { CheckpointGap } from '../upkeep/checkpoints.ts'
import { countMatches, loadMatches } from './entry-matches.ts'
import { loadEntries } from './history.ts'

/** Reads the entries of accounts. Accounts are not checked to exist: one without entries has none. */
export class Entries {
  readonly #database: Database
  readonly #scanMax: number
  readonly #onGap: (gap: CheckpointGap) => void

  /**
   * @param scanMax how many entries a page under a filter looks through at most, on either side of where it starts.
   * @param onGap called with each gap between checkpoints that was summed.
   */
  constructor(database: Database, scanMax: number, onGap: (gap: CheckpointGap) => void) {
    this.#database = database
    this.#scanMax = scanMax
    this.#onGap = onGap
  }

  /** The entries of each range, newest first, with their running balances. */
  load(ranges: readonly EntryRange[]): Promise<LedgerEntry[][]> {
    return loadEntries(this.#database, ranges, this.#onGap)
  }

  /** One page of each list, with running balances. */
  page(requests: readonly MatchRequest[]): Promise<FilteredPage<LedgerEntry, number>[]> {
    return loadMatches(this.#database, requests, this.#scanMax, this.#onGap)
  }

  /** How many entries of each list match; null for a range that is too long to count. */
  count(lists: readonly EntryList[]): Promise<(number | null)[]> {
    return countMatches(this.#database, lists)
  }
}
