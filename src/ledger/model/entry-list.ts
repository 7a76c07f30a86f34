import type { EntryFilter } from './entry-filter.ts'
import type { EntryRange } from './entry-range.ts'
import type { PageRequest } from './page-request.ts'

/** The entries of a range that match a filter. */
export interface EntryList extends EntryRange {
  filter: EntryFilter
}

export interface MatchRequest {
  list: EntryList
  /** By sequences. */
  page: PageRequest<number>
}
