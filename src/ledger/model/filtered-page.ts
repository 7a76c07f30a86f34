/*
 * Pages of a list under a filter. A page looks through a limited number of items, however few of them match. If it reaches
 * the limit it has fewer items than asked for, says that there are more, and ends where it stopped, so that the next page
 * continues from there.
 *
 * Newer items have higher positions, and lists show the newest first. A page goes down from `after` (`first`) or up from
 * `before` (`last`).
 */

/** What a scan found, in the order of the scan: at most one item more than the page takes. */
export interface Scan<Item, Position> {
  matches: readonly Item[]
  /** Where the scan stopped before the end of the list; undefined: the list ended, or the page was full. */
  stoppedAt: Position | undefined
  /** Whether something matches on the side that the scan came from. */
  matchesBehind: boolean
}

export interface FilteredPage<Item, Position> {
  /** Newest first. */
  items: Item[]
  hasOlder: boolean
  hasNewer: boolean
  /** Where to continue, upwards or downwards, if the scan stopped before the page was full. */
  stoppedAbove?: Position | undefined
  stoppedBelow?: Position | undefined
}

/**
 * @param size how many items the page takes.
 * @param isInWindow whether an item is not past the other cursor.
 * @param goesUp from the oldest to the newest: a page of `last`.
 */
export function filteredPage<Item, Position>(
  { matches, stoppedAt, matchesBehind }: Scan<Item, Position>,
  size: number,
  isInWindow: (item: Item) => boolean,
  goesUp: boolean,
): FilteredPage<Item, Position> {
  const items = matches.slice(0, size).filter(isInWindow)
  const hasAhead = matches.length > items.length || stoppedAt !== undefined
  const stopped = matches.length > items.length ? undefined : stoppedAt
  return {
    items: goesUp ? items.reverse() : items,
    hasOlder: goesUp ? matchesBehind : hasAhead,
    hasNewer: goesUp ? hasAhead : matchesBehind,
    stoppedAbove: goesUp ? stopped : undefined,
    stoppedBelow: goesUp ? undefined : stopped,
  }
}
