import { decodeIdCursor, encodeIdCursor } from '../ledger/cursor.ts'
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

/** Reads the cursors of a list ordered by id. */
export function idPageRequest(page: PageArguments): IdPageRequest {
  const cursor = (name: 'after' | 'before') => {
    const text = page[name]
    if (text == null) return undefined
    const id = decodeIdCursor(text)
    if (id === undefined) throw invalidArgument(name, 'is not a cursor of this list')
    return id
  }
  return { ...pageSizeOf(page), after: cursor('after'), before: cursor('before') }
}

/** A connection of rows that have an id, newest first. */
export function idConnection<Row extends { id: string }>({ rows, hasOlder, hasNewer }: IdPage<Row>) {
  const edges = rows.map((node) => ({ cursor: encodeIdCursor(node.id), node }))
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
