import type { Amount } from '../db/amount.ts'
import type { Instant } from '../db/instant.ts'
import type { Cursor } from '../ledger/model/cursor.ts'
import type { FilteredPage } from '../ledger/model/filtered-page.ts'
import type { PageRequest } from '../ledger/model/page-request.ts'
import { costOfTotalCount } from './cost.ts'
import { type PageArguments, pageSizeOf } from './page-size.ts'
import { invalidArgument } from './validation-error.ts'

/** For the `validate` of every connection. */
export const oneDirection: [(page: PageArguments) => boolean, { message: string; path: string[] }] = [
  ({ first, last }) => first == null || last == null,
  { message: 'takes `first` or `last`, not both', path: ['first'] },
]

/** For the `validate` of a filter with `amountMin` and `amountMax`. */
export const amountRange: [
  (filter: { amountMin?: Amount | null | undefined; amountMax?: Amount | null | undefined }) => boolean,
  { message: string; path: string[] },
] = [
  ({ amountMin, amountMax }) => amountMin == null || amountMax == null || amountMin <= amountMax,
  { message: 'is more than `amountMax`', path: ['amountMin'] },
]

/** For the `validate` of a filter with `from` and `to`. */
export const timeRange: [
  (filter: { from?: Instant | null | undefined; to?: Instant | null | undefined }) => boolean,
  { message: string; path: string[] },
] = [({ from, to }) => from == null || to == null || from <= to, { message: 'is after `to`', path: ['from'] }]

/** The arguments of a connection, with its cursors read. */
export function pageRequest<Position>(
  page: PageArguments,
  cursor: Cursor<Position>,
  era: string,
): PageRequest<Position> {
  const positionOf = (argument: 'after' | 'before') => readCursor(argument, page[argument], cursor, era, 'this list')
  return { ...pageSizeOf(page), after: positionOf('after'), before: positionOf('before') }
}

/**
 * Reads an argument that is a cursor.
 *
 * @param source what it must be a cursor of, in words for the client.
 */
export function readCursor<Position>(
  argument: string,
  text: string | null | undefined,
  cursor: Cursor<Position>,
  era: string,
  source: string,
): Position | undefined {
  if (text == null) return undefined
  const position = cursor.decode(text, era)
  if (position === undefined) throw invalidArgument(argument, `is not a cursor of ${source}`)
  if (position === 'expired')
    throw invalidArgument(argument, 'is a cursor from before the ledger was restored', { code: 'CURSOR_EXPIRED' })
  return position
}

/** A connection of items that are positions themselves, newest first. */
export function connectionOf<Item extends Position, Position>(
  items: readonly Item[],
  around: Omit<FilteredPage<unknown, Position>, 'items'>,
  cursor: Cursor<Position>,
  era: string,
) {
  const cursorAt = (position: Position) => cursor.encode(position, era)
  const edges = items.map((node) => ({ cursor: cursorAt(node), node }))
  return { edges, pageInfo: pageInfoOf(edges, around, cursorAt) }
}

/** What lies around a page. Lists show the newest first: the next page is the older one. */
export function pageInfoOf<Position = never>(
  edges: readonly { cursor: string }[],
  { hasOlder, hasNewer, stoppedAbove, stoppedBelow }: Omit<FilteredPage<unknown, Position>, 'items'>,
  cursorAt: (position: Position) => string,
) {
  const stop = (position: Position | undefined) => (position === undefined ? undefined : cursorAt(position))
  return {
    hasNextPage: hasOlder,
    hasPreviousPage: hasNewer,
    startCursor: stop(stoppedAbove) ?? edges[0]?.cursor ?? null,
    endCursor: stop(stoppedBelow) ?? edges.at(-1)?.cursor ?? null,
  }
}

/** What a connection answers for `totalCount`: counted only when it is asked for. */
export interface Counted {
  totalCount: () => number | null | Promise<number | null>
}

/** The options of a connection's field `totalCount`. */
export const totalCount = (things: string, unless = '') =>
  ({
    type: 'Sequence',
    nullable: true,
    complexity: costOfTotalCount,
    description: `How many ${things} there are, whichever page this is. Counted only when asked for${unless}.`,
    resolve: (connection: unknown) => (connection as Counted).totalCount(),
  }) as const
