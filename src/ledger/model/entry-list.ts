import type { EntryFilter } from './entry-filter.ts'
import type { EntryRange, PageRequest } from './entry-range.ts'

/** A list: of the entries of a range those that match. */
export interface EntryList extends EntryRange {
  filter: EntryFilter
}

export interface MatchRequest {
  list: EntryList
  page: PageRequest
}
