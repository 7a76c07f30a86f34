/** A page of a list that is shown newest first. It has `first` or `last`. */
export interface PageRequest<Position> {
  /** How many items, beginning with the newest. */
  first?: number | undefined
  /** How many items, beginning with the oldest. */
  last?: number | undefined
  /** Only items older than this position. */
  after?: Position | undefined
  /** Only items newer than this position. */
  before?: Position | undefined
}
