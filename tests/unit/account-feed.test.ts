import { afterEach, expect, test, vi } from 'vitest'
import { toAccountId } from '../../src/db/ids.ts'
import { Feed } from '../../src/ledger/feed/account-feed.ts'
import { AccountSubscriber } from '../../src/ledger/feed/account-subscriber.ts'
import { CatchUp } from '../../src/ledger/feed/catch-up.ts'
import type { LedgerEntry } from '../../src/ledger/model/entry.ts'

/* The feed of accounts, by itself. */

const [ADA, GRACE] = [toAccountId('ada'), toAccountId('grace')]
const entry = (sequence: number) => ({ accountId: ADA, sequence }) as LedgerEntry
const errors: unknown[] = []

/** A feed of accounts whose entries after a sequence `read` answers with, oldest first. */
const openFeed = (read: (after: number) => Promise<LedgerEntry[]>) =>
  new Feed(
    (ranges) => Promise.all(ranges.map(async ({ low }) => (await read(low - 1)).reverse())),
    new CatchUp(),
    (error) => errors.push(error),
  )

afterEach(() => vi.useRealTimers())

test('has a timer while anybody waits, and none before or after', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const feed = openFeed(async () => [])
  expect(vi.getTimerCount()).toBe(0)
  const subscribers = [feed.subscribe(ADA, 0, 0), feed.subscribe(ADA, 0, 0), feed.subscribe(GRACE, 0, 0)]
  const answers = subscribers.map((subscriber) => subscriber.next())
  await vi.advanceTimersByTimeAsync(3_000)
  expect(vi.getTimerCount()).toBe(1)
  await subscribers[0]?.return?.()
  await subscribers[1]?.return?.()
  expect(vi.getTimerCount()).toBe(1)
  feed.close()
  expect(vi.getTimerCount()).toBe(0)
  expect(await Promise.all(answers)).toEqual(answers.map(() => ({ done: true, value: undefined })))
})

test('looks again within a second when no hint comes, and when a read fails', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const reads: (() => LedgerEntry[])[] = [
    () => [],
    () => {
      throw new Error('the database is away')
    },
    () => {
      throw new Error('the database is still away')
    },
    () => [entry(1)],
  ]
  const feed = openFeed(async () => (reads.shift() as () => LedgerEntry[])())
  const answer = feed.subscribe(ADA, 0, 0).next()
  await vi.advanceTimersByTimeAsync(3_000)
  expect(await answer).toEqual({ done: false, value: entry(1) })
  feed.close()
  // Told once, for as long as reads fail.
  expect(errors.splice(0)).toMatchObject([{ message: 'the database is away' }])
})

test('does not read past a gap', async () => {
  const reads = [
    [entry(1), entry(3)],
    [entry(2), entry(3)],
  ]
  const asked: number[] = []
  const feed = openFeed(async (after) => {
    asked.push(after)
    return reads.shift() ?? []
  })
  const subscriber = feed.subscribe(ADA, 0, 0)
  const taken = [await subscriber.next(), await subscriber.next(), await subscriber.next()]
  expect(taken.map(({ value }) => value?.sequence)).toEqual([1, 2, 3])
  expect(asked).toEqual([0, 1])
  feed.close()
})

test('does not lose a hint that comes in the middle of a read', async () => {
  let posted = 0
  const feed = openFeed(async (after) => {
    const before = posted
    // Committed after this read took its snapshot and before it answers.
    if (posted === 0) {
      posted = 1
      feed.hint([ADA])
    }
    return before > after ? [entry(1)] : []
  })
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  expect(await feed.subscribe(ADA, 0, 0).next()).toEqual({ done: false, value: entry(1) })
  feed.close()
})

test('tells nothing again to one who joins others that are behind it', async () => {
  const subscriber = new AccountSubscriber(
    ADA,
    10,
    10,
    { read: async () => [], join: () => 5, leave: () => {} },
    new CatchUp(),
  )
  const next = subscriber.next()
  for (let sequence = 6; sequence <= 12; sequence++) subscriber.push(entry(sequence))
  expect([(await next).value, (await subscriber.next()).value]).toEqual([entry(11), entry(12)])
  await subscriber.return()
})
