import { check } from 'k6'
import { type Account, anyAccount } from './accounts.ts'
import { ask } from './ledger-api.ts'

const PAGE = `query History($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  account(id: $id) {
    transactions(first: $first, after: $after, last: $last, before: $before) {
      edges { cursor sequence change balanceAfter createdAt }
      pageInfo { hasNextPage endCursor }
    }
  }
}`

const PAGE_SIZE = 100
const PAGES_MAX = 200

interface Entry {
  cursor: string
  sequence: number
  change: string
  balanceAfter: string
  createdAt: string
}

interface Page {
  edges: Entry[]
  pageInfo: { hasNextPage: boolean; endCursor: string | null }
}

/** All of an account, newest first, page by page, while others may post to it. */
export function walkHistory(account: Account = anyAccount()): void {
  const ask100 = (page: Record<string, unknown>): Page | undefined =>
    ask('history', PAGE, { id: account.id, ...page })?.account?.transactions
  let page = ask100({ first: PAGE_SIZE })
  const first = page?.edges ?? []
  const entries = [...first]
  for (let pages = 1; page?.pageInfo.hasNextPage && pages < PAGES_MAX; pages += 1) {
    page = ask100({ first: PAGE_SIZE, after: page.pageInfo.endCursor })
    entries.push(...(page?.edges ?? []))
  }
  // What ended early was counted as a failure, or is longer than we walk.
  if (!page || page.pageInfo.hasNextPage) return
  check(entries, {
    'pages join without a hole': (all) => all.length >= account.entries && all.every(isFollowedBySum),
  })
  const second = entries[PAGE_SIZE]
  if (!second) return
  const back = ask100({ last: PAGE_SIZE, before: second.cursor })?.edges
  check(back, { 'the way back shows the same page': (edges) => JSON.stringify(edges) === JSON.stringify(first) })
}

/** Whether an entry stands right on the one before it, which the list has after it. */
function isFollowedBySum({ sequence, change, balanceAfter, createdAt }: Entry, index: number, all: Entry[]): boolean {
  const before = all[index + 1]
  if (!before) return sequence === 1 && balanceAfter === change
  return (
    sequence === before.sequence + 1 &&
    Number(balanceAfter) === Number(before.balanceAfter) + Number(change) &&
    createdAt > before.createdAt
  )
}
