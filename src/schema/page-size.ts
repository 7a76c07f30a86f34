/** The largest page of any connection, and the longest list of ids of any field. */
export const PAGE_SIZE_MAX = 100

export const PAGE_SIZE_DEFAULT = 20

/** The arguments of a connection, as GraphQL gives them. */
export interface PageArguments {
  first?: number | null | undefined
  last?: number | null | undefined
  after?: string | null | undefined
  before?: string | null | undefined
}

/** `first` or `last`, or the default page size if neither is given. */
export function pageSizeOf({ first, last }: PageArguments): { first?: number; last?: number } {
  if (last != null) return { last }
  return { first: first ?? PAGE_SIZE_DEFAULT }
}
