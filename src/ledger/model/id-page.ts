/* Pages of a list by id (version 7: ids rise with time, to the millisecond). */

/** A place in the list. */
export interface IdPosition {
  id: string
}

export interface IdPage<Row> {
  /** Newest first. */
  rows: Row[]
  hasOlder: boolean
  hasNewer: boolean
}
