import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type Instant, instantOf, microsecondsOf, toInstant } from '../../src/db/instant.ts'
import { FutureMomentError } from '../../src/ledger/model/balance.ts'
import { type BalanceBucket, BUCKETS_MAX, TooManyBucketsError } from '../../src/ledger/model/balance-history.ts'
import { type BucketSize, bucketStarts } from '../../src/ledger/model/calendar.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { databaseClock, deposit, insertByHand, installStall, stall, transfer, untilBlocked } from '../support/faults.ts'
import { currenciesOf, makeAccounts, makeMixedAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { insertRows, type PlainEntry, plainEntries, randomOf, randomRows } from '../support/random-ledger.ts'

/* Histories of random accounts, around days on which the clocks of some country did something unusual, by brute force. */

let ledger: TestLedger

beforeAll(async () => {
  // Longer than any test holds an insert: a batch that gives up a lock reads a later clock the next time.
  ledger = await openTestLedger({ batchLockWaitMs: 5_000 })
})
afterAll(() => ledger.close())

const DAYS = [
  ['Pacific/Apia', '2011-12-30'],
  ['America/Sao_Paulo', '2018-11-04'],
  ['America/Havana', '2023-11-05'],
  ['America/New_York', '2024-03-10'],
  ['Europe/Paris', '2024-03-31'],
  ['Europe/Paris', '2024-10-27'],
  ['Australia/Lord_Howe', '2024-04-07'],
  ['Australia/Lord_Howe', '2024-10-06'],
  ['Asia/Kathmandu', '2024-02-29'],
  // By half an hour, in the middle of one.
  ['America/Caracas', '2016-05-01'],
  ['Asia/Pyongyang', '2018-05-04'],
  ['Pacific/Chatham', '2025-04-06'],
  ['UTC', '2025-01-01'],
] as const
const SIZES: readonly BucketSize[] = ['HOUR', 'DAY', 'WEEK', 'MONTH']
/** How far from such a day entries and histories go, in hours. */
const REACH = { HOUR: 40, DAY: 24 * 10, WEEK: 24 * 50, MONTH: 24 * 200 }

const clocks = new Map<string, Intl.DateTimeFormat>()

/** What the clock and the calendar of a time zone show. */
function shown(instant: string, timeZone: string) {
  const clock =
    clocks.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' })
  clocks.set(timeZone, clock)
  const [, day, month, year, time] = /(\d+)\/(\d+)\/(\d+), (.*)/.exec(
    clock.format(new Date(instant)),
  ) as RegExpExecArray
  return { date: `${year}-${month}-${day}`, time: time as string }
}

/** What is the same all through one bucket, and another in the next. */
function bucketOf(instant: string, bucket: BucketSize, timeZone: string): string {
  const { date } = shown(instant, timeZone)
  if (bucket === 'DAY') return date
  if (bucket === 'MONTH') return date.slice(0, 7)
  const day = new Date(`${date}T00:00:00Z`)
  return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * 86_400_000).toISOString().slice(0, 10)
}

const isFullHour = (instant: string, timeZone: string) => shown(instant, timeZone).time.endsWith(':00:00')
const shift = (instant: Instant, microseconds: number) => instantOf(microsecondsOf(instant) + microseconds)

/** The buckets follow on each other from `from` to `to`, and are cut where this time zone's clock says so. */
function checkBounds(
  buckets: readonly BalanceBucket[],
  [from, to]: [Instant, Instant],
  bucket: BucketSize,
  timeZone: string,
) {
  expect(buckets[0]?.start).toBe(from)
  expect(buckets.at(-1)?.end).toBe(to)
  for (const [index, { start, end }] of buckets.entries()) {
    expect(start < end).toBe(true)
    if (index > 0) expect(start).toBe(buckets[index - 1]?.end)
    if (bucket === 'HOUR') {
      if (index > 0) expect(isFullHour(start, timeZone), start).toBe(true)
      const quarter = 900_000_000
      for (let at = Math.floor(microsecondsOf(start) / quarter + 1) * quarter; at < microsecondsOf(end); at += quarter)
        expect(isFullHour(instantOf(at), timeZone), instantOf(at)).toBe(false)
    } else {
      expect(bucketOf(shift(end, -1), bucket, timeZone)).toBe(bucketOf(start, bucket, timeZone))
      if (index > 0) expect(bucketOf(shift(start, -1), bucket, timeZone)).not.toBe(bucketOf(start, bucket, timeZone))
    }
  }
}

function plainBucket(entries: readonly PlainEntry[], start: Instant, end: Instant): BalanceBucket {
  const before = entries.filter(({ createdAt }) => createdAt < start)
  const inside = entries.filter(({ createdAt }) => createdAt >= start && createdAt < end)
  const opening = before.at(-1)?.balanceAfter ?? 0n
  const balances = [opening, ...inside.map(({ balanceAfter }) => balanceAfter)]
  const total = (changes: bigint[]) => changes.reduce((sum, change) => sum + change, 0n)
  return {
    start,
    end,
    complete: true,
    opening: toAmount(opening),
    closing: toAmount(balances.at(-1) as bigint),
    lowest: toAmount(balances.reduce((lowest, balance) => (balance < lowest ? balance : lowest))),
    highest: toAmount(balances.reduce((highest, balance) => (balance > highest ? balance : highest))),
    credited: toAmount(total(inside.map(({ change }) => (change > 0n ? change : 0n)))),
    debited: toAmount(total(inside.map(({ change }) => (change < 0n ? -change : 0n)))),
    entryCount: inside.length,
  }
}

test('every field of every bucket is the plain sum, in every time zone, with and without checkpoints', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const { upTo, oneOf } = randomOf(seed)
      const [zone, date] = oneOf(DAYS)
      const size = oneOf(SIZES)
      const reach = REACH[size] * 3_600_000_000
      const middle = microsecondsOf(toInstant(`${date}T12:00:00.000000Z`))
      const [first, last] = [instantOf(middle - reach), instantOf(middle + reach)]
      const edges = [first, ...((await bucketStarts(first, last, size, zone, 5_000, {})) ?? []), last]
      const mixed = (await makeMixedAccounts(ledger)).slice(1, 6)
      const accounts = mixed.map(({ id }) => id)
      const rows = randomRows(seed, { accounts, currencyOf: currenciesOf(mixed), count: 40 + upTo(200), edges })
      await insertRows(ledger.test.pool, rows)
      // What an account may do next does not change what it was.
      await ledger.accounts.setStatus(oneOf(accounts), 'FROZEN')
      await ledger.accounts.setStatus(oneOf(accounts), 'CLOSED')
      if (upTo(3) > 0) await ledger.rebuildCheckpoints()
      if (upTo(3) === 0) await ledger.test.pool.query('delete from private.balance_checkpoints where sequence % 3 = 0')

      const requests = accounts.flatMap((accountId) =>
        Array.from({ length: 3 }, () => {
          const ends = [oneOf(edges), upTo(2) ? oneOf(edges) : instantOf(middle - reach + upTo(2 * reach))].sort()
          const [from, to] = ends as [Instant, Instant]
          return { accountId, from, to, bucket: size, timeZone: upTo(4) ? zone : oneOf(DAYS)[0] }
        }),
      )
      const answers = await ledger.histories.load(requests)
      for (const [index, { accountId, from, to, bucket, timeZone }] of requests.entries()) {
        const buckets = answers[index] as BalanceBucket[]
        if (from === to) {
          expect(buckets).toEqual([])
          continue
        }
        checkBounds(buckets, [from, to], bucket, timeZone)
        const entries = plainEntries(rows, accountId)
        expect(buckets).toEqual(buckets.map(({ start, end }) => plainBucket(entries, start, end)))
      }

      // And the same rows by moments: right at, before and after every edge that was taken.
      const moments = accounts.flatMap((accountId) =>
        Array.from({ length: 20 }, () => ({ accountId, asOf: shift(oneOf(edges), upTo(3) - 1) })),
      )
      const expected = moments.map(({ accountId, asOf }) => {
        const upToThen = plainEntries(rows, accountId).filter(({ createdAt }) => createdAt <= asOf)
        return { accountId, asOf, amount: upToThen.at(-1)?.balanceAfter ?? 0n, sequence: upToThen.length }
      })
      expect(await ledger.balances.asOf(moments)).toEqual(expected)
      const { rows: functions } = await ledger.test.pool.query(
        'select get_balance_on_date(id, moment) as amount from unnest($1::uuid[], $2::timestamptz[]) with ordinality as asked (id, moment, position) order by position',
        [moments.map(({ accountId }) => accountId), moments.map(({ asOf }) => asOf)],
      )
      expect(functions.map(({ amount }) => BigInt(amount))).toEqual(expected.map(({ amount }) => amount))
    }),
    { numRuns: 100, endOnFailure: true },
  )
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('a day that a country left out is no bucket, and an hour that was shown twice is two', async () => {
  const [accountId] = await makeAccounts(ledger, 1)
  const startsOf = async (from: string, to: string, bucket: BucketSize, timeZone: string) => {
    const request = { accountId, from: toInstant(from), to: toInstant(to), bucket, timeZone }
    const [buckets] = await ledger.histories.load([request])
    return (buckets as BalanceBucket[]).map(({ start }) => start)
  }
  // From Thursday the 29th Samoa went on to Saturday the 31st.
  expect(await startsOf('2011-12-29T10:00:00.000000Z', '2011-12-31T10:00:00.000000Z', 'DAY', 'Pacific/Apia')).toEqual([
    '2011-12-29T10:00:00.000000Z',
    '2011-12-30T10:00:00.000000Z',
  ])
  // At 3 o'clock it was 2 again.
  expect(await startsOf('2024-10-27T00:00:00.000000Z', '2024-10-27T03:00:00.000000Z', 'HOUR', 'Europe/Paris')).toEqual([
    '2024-10-27T00:00:00.000000Z',
    '2024-10-27T01:00:00.000000Z',
    '2024-10-27T02:00:00.000000Z',
  ])
  // Midnight was skipped in São Paulo, and came twice in Havana.
  expect(
    await startsOf('2018-11-03T12:00:00.000000Z', '2018-11-05T00:00:00.000000Z', 'DAY', 'America/Sao_Paulo'),
  ).toEqual(['2018-11-03T12:00:00.000000Z', '2018-11-04T03:00:00.000000Z'])
  expect(await startsOf('2023-11-04T12:00:00.000000Z', '2023-11-06T12:00:00.000000Z', 'DAY', 'America/Havana')).toEqual(
    ['2023-11-04T12:00:00.000000Z', '2023-11-05T04:00:00.000000Z', '2023-11-06T05:00:00.000000Z'],
  )
})

test('a history that reaches into the future ends now, in a bucket that is not complete', async () => {
  const [accountId] = await makeAccounts(ledger, 1, 100n)
  const before = await databaseClock(ledger.test, '-3 hours')
  const to = await databaseClock(ledger.test, '3 days')
  const asked = await databaseClock(ledger.test)
  const load = async () =>
    (
      await ledger.histories.load([{ accountId, from: before, to, bucket: 'HOUR', timeZone: 'UTC' }])
    )[0] as BalanceBucket[]
  const buckets = await load()
  expect(buckets.map(({ complete }) => complete)).toEqual([...buckets.slice(1).map(() => true), false])
  const last = buckets.at(-1) as BalanceBucket
  expect(last).toMatchObject({ closing: 100n })
  expect(last.end >= asked && last.end <= (await databaseClock(ledger.test))).toBe(true)
  // What was posted a moment ago is in it, without a wait.
  for (let count = 1; count <= 20; count++) {
    await ledger.posting.post(deposit(accountId, 1n))
    expect((await load()).at(-1)).toMatchObject({ closing: BigInt(100 + count) })
  }
  const [answer] = await ledger.histories.load([{ accountId, from: to, to, bucket: 'DAY', timeZone: 'UTC' }])
  expect(answer).toBeInstanceOf(FutureMomentError)
})

test('an entry that is dated ahead of the clock is in a history up to now, as it is in the balance', async () => {
  const [accountId] = await makeAccounts(ledger, 1, 5n)
  const before = await databaseClock(ledger.test, '-1 hour')
  const ahead = await databaseClock(ledger.test, '3 seconds')
  await insertByHand(ledger.test.pool, { ...deposit(accountId, 3n), destinationSequence: 2, createdAt: `'${ahead}'` })
  const load = async (from: Instant) =>
    (
      await ledger.histories.load([
        { accountId, from, to: toInstant('2999-01-01T00:00:00.000000Z'), bucket: 'MONTH', timeZone: 'UTC' },
      ])
    )[0] as BalanceBucket[]
  expect((await load(before)).at(-1)).toMatchObject({ closing: 8n, complete: false })
  expect(await load(ahead)).toMatchObject([{ start: ahead, opening: 5n, closing: 8n, entryCount: 1 }])
})

test('what is in flight is waited for, so that what was answered once does not change', async () => {
  const [payer, payee] = await makeAccounts(ledger, 2, 100n)
  await installStall(ledger.test)
  const from = await databaseClock(ledger.test, '-1 minute')
  const gate = await stall(ledger.test)
  const posting = ledger.posting.post(transfer(payer, payee, 30n))
  await untilBlocked(ledger.test, 1, 'insert into%')
  const to = await databaseClock(ledger.test)
  const load = () =>
    ledger.histories.load(
      [payer, payee].map((accountId) => ({ accountId, from, to, bucket: 'MONTH', timeZone: 'UTC' })),
    )
  const asked = load()
  await untilBlocked(ledger.test, 1, '%for share%')
  await gate.commit()
  await posting
  const closings = (answers: Awaited<ReturnType<typeof load>>) =>
    answers.map((buckets) => (buckets as BalanceBucket[]).at(-1)?.closing)
  const answered = await asked
  expect(closings(answered)).toEqual([70n, 130n])
  expect(await load()).toEqual(answered)
})

test('a thousand buckets are answered, and one more is not', async () => {
  const [accountId] = await makeAccounts(ledger, 1)
  const from = toInstant('2020-01-01T00:00:00.000000Z')
  const hours = (count: number) => instantOf(microsecondsOf(from) + count * 3_600_000_000)
  const load = async (to: Instant, bucket: BucketSize = 'HOUR') =>
    (await ledger.histories.load([{ accountId, from, to, bucket, timeZone: 'UTC' }]))[0]
  expect(await load(hours(BUCKETS_MAX))).toHaveLength(BUCKETS_MAX)
  expect(await load(shift(hours(BUCKETS_MAX), 1))).toBeInstanceOf(TooManyBucketsError)
  expect(await load(toInstant('9999-12-31T23:59:59.999999Z'))).toBeInstanceOf(TooManyBucketsError)
  expect(await load(from)).toEqual([])
})

test('the earliest moments are answered', async () => {
  const [accountId] = await makeAccounts(ledger, 1, 5n)
  const [first, next] = [toInstant('0001-01-01T00:00:00.000000Z'), toInstant('0001-01-01T00:00:00.000001Z')] as const
  const load = async (from: Instant, to: Instant) =>
    (await ledger.histories.load([{ accountId, from, to, bucket: 'MONTH', timeZone: 'America/New_York' }]))[0]
  expect(await load(first, next)).toMatchObject([{ start: first, end: next, opening: 0n, closing: 0n, entryCount: 0 }])
})
