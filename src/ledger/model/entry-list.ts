import type { EntryFilter } from './entry-filter.ts'
import type { EntryRange, PageRequest } from './entry-range.ts'

/** The entries of a range that match a filter. */
export interface EntryList extends EntryRange {
  filter: EntryFilter
}

export interface MatchRequest {
  list: EntryList
  page: PageRequest
}
