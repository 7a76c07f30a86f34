import type { Instant } from '../db/instant.ts'
import { decodeIdCursor, decodeTransactionCursor, encodeIdCursor, type IdCursor } from '../ledger/model/cursor.ts'
import type { FilteredPage } from '../ledger/model/filtered-page.ts'
import type { IdPage, IdPageRequest } from '../ledger/model/id-page.ts'
import type { Cents } from '../ledger/model/money.ts'
import type { TransactionPageRequest } from '../ledger/model/transaction-page.ts'
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
  (filter: { amountMin?: Cents | null | undefined; amountMax?: Cents | null | undefined }) => boolean,
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

/** Which list, of which ledger. */
export type ListOfIds = Pick<IdCursor, 'list' | 'era'>

/** Reads the cursors of a list ordered by id. */
export function idPageRequest(page: PageArguments, { list, era }: ListOfIds): IdPageRequest {
  const idAt = (argument: 'after' | 'before') => {
    const text = page[argument]
    if (text == null) return undefined
    const cursor = decodeIdCursor(text)
    if (cursor?.list !== list) throw invalidArgument(argument, 'is not a cursor of this list')
    if (cursor.era !== era) throw expiredCursor(argument)
    return cursor.id
  }
  return { ...pageSizeOf(page), after: idAt('after'), before: idAt('before') }
}

/** Of an era that is over: what it stood for may be something else now. */
export function expiredCursor(argument: string) {
  return invalidArgument(argument, 'is a cursor from before the ledger was restored', { code: 'CURSOR_EXPIRED' })
}

/** A connection of rows that have an id, newest first. */
export function idConnection<Row extends { id: string }>(page: IdPage<Row>, { list, era }: ListOfIds) {
  const cursorAt = (id: string) => encodeIdCursor({ list, era, id })
  const edges = page.rows.map((node) => ({ cursor: cursorAt(node.id), node }))
  return { edges, pageInfo: pageInfoOf(edges, page, cursorAt) }
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

/** Reads the cursors of the whole ledger. */
export function transactionPageRequest(page: PageArguments, era: string): TransactionPageRequest {
  const placeAt = (argument: 'after' | 'before') => {
    const text = page[argument]
    if (text == null) return undefined
    const cursor = decodeTransactionCursor(text)
    if (!cursor) throw invalidArgument(argument, 'is not a cursor of this list')
    if (cursor.era !== era) throw expiredCursor(argument)
    return cursor
  }
  return { ...pageSizeOf(page), after: placeAt('after'), before: placeAt('before') }
}
