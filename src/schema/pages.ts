import { decodeIdCursor, encodeIdCursor, type IdCursor } from '../ledger/cursor.ts'
import type { IdPage, IdPageRequest } from '../ledger/id-page.ts'
import { PAGE_SIZE_STANDARD } from './builder.ts'
import { invalidArgument } from './validation-error.ts'

/** The arguments of a connection, as GraphQL gives them. */
export interface PageArguments {
  first?: number | null | undefined
  last?: number | null | undefined
  after?: string | null | undefined
  before?: string | null | undefined
}

/** For the `validate` of every connection. */
export const oneDirection: [(page: PageArguments) => boolean, { message: string; path: string[] }] = [
  ({ first, last }) => first == null || last == null,
  { message: 'takes `first` or `last`, not both', path: ['first'] },
]

/** `first` or `last`; the standard page when neither is asked for. */
export function pageSizeOf({ first, last }: PageArguments): { first?: number; last?: number } {
  if (last != null) return { last }
  return { first: first ?? PAGE_SIZE_STANDARD }
}

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
  const { rows, hasOlder, hasNewer } = page
  const edges = rows.map((node) => ({ cursor: encodeIdCursor({ list, era, id: node.id }), node }))
  return { edges, pageInfo: pageInfoOf(edges, { hasOlder, hasNewer }) }
}

/** Lists show the newest first: the next page is the older one. */
export function pageInfoOf(
  edges: readonly { cursor: string }[],
  { hasOlder, hasNewer }: { hasOlder: boolean; hasNewer: boolean },
) {
  return {
    hasNextPage: hasOlder,
    hasPreviousPage: hasNewer,
    startCursor: edges[0]?.cursor ?? null,
    endCursor: edges.at(-1)?.cursor ?? null,
  }
}
