/** A page of a list shown newest first, by id (version 7: ids rise with time, to the millisecond). */
export interface IdPageRequest {
  first?: number | undefined
  last?: number | undefined
  /** Only rows older than this id. */
  after?: string | undefined
  /** Only rows newer than this id. */
  before?: string | undefined
}

export interface IdPage<Row> {
  /** Newest first. */
  rows: Row[]
  hasOlder: boolean
  hasNewer: boolean
}
