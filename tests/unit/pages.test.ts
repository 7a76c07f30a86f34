import { expect, test } from 'vitest'
import { toAccountId } from '../../src/db/ids.ts'
import { pageRange } from '../../src/ledger/model/entry-range.ts'
import { pageSizeOf } from '../../src/schema/page-size.ts'
import { pageInfoOf } from '../../src/schema/pages.ts'

const HEAD_MAX = 6

/** Every position a cursor can have in an account of this length, and two that are past its end. */
const positionsOf = (head: number) => [undefined, ...Array.from({ length: head + 3 }, (_, position) => position)]

test('the arithmetic of a page is that of a list, newest first, that is cut', () => {
  for (let head = 0; head <= HEAD_MAX; head++) {
    const list = { accountId: toAccountId('somebody'), low: 1, high: head }
    const newestFirst = Array.from({ length: head }, (_, index) => head - index)
    for (const after of positionsOf(head)) {
      for (const before of positionsOf(head)) {
        const window = newestFirst.filter(
          (sequence) => (after === undefined || sequence < after) && (before === undefined || sequence > before),
        )
        for (let size = 0; size <= head + 2; size++) {
          const firstRange = pageRange({ first: size, after, before }, list)
          const lastRange = pageRange({ last: size, after, before }, list)
          const seen = ({ low, high }: typeof firstRange) =>
            newestFirst.filter((sequence) => sequence >= low && sequence <= high)
          const page = JSON.stringify({ head, after, before, size })
          expect(seen(firstRange), page).toEqual(window.slice(0, size))
          expect(seen(lastRange), page).toEqual(size === 0 ? [] : window.slice(-size))
          // Nothing is asked of the database that cannot be there.
          for (const { low, high } of [firstRange, lastRange]) {
            expect(low, page).toBeGreaterThanOrEqual(1)
            expect(high, page).toBeLessThanOrEqual(head)
          }
        }
      }
    }
  }
})

test('a page is asked from one end: the first 20 unless told otherwise', () => {
  expect(pageSizeOf({})).toEqual({ first: 20 })
  expect(pageSizeOf({ first: null, last: null })).toEqual({ first: 20 })
  expect(pageSizeOf({ first: 0 })).toEqual({ first: 0 })
  expect(pageSizeOf({ last: 0 })).toEqual({ last: 0 })
  expect(pageSizeOf({ first: null, last: 5 })).toEqual({ last: 5 })
})

test('the next page is the older one', () => {
  const edges = [{ cursor: 'newest' }, { cursor: 'middle' }, { cursor: 'oldest' }]
  expect(pageInfoOf(edges, { hasOlder: true, hasNewer: false }, String)).toEqual({
    hasNextPage: true,
    hasPreviousPage: false,
    startCursor: 'newest',
    endCursor: 'oldest',
  })
  expect(pageInfoOf([], { hasOlder: false, hasNewer: true }, String)).toEqual({
    hasNextPage: false,
    hasPreviousPage: true,
    startCursor: null,
    endCursor: null,
  })
  const stopped = { hasOlder: true, hasNewer: true, stoppedBelow: 7 }
  expect(pageInfoOf(edges, stopped, (position) => `at ${position}`)).toEqual({
    hasNextPage: true,
    hasPreviousPage: true,
    startCursor: 'newest',
    endCursor: 'at 7',
  })
})
