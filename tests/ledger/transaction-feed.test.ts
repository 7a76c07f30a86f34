import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { PositionNotReachedError, RestoredLedgerError, SlowConsumerError } from '../../src/ledger/model/feed-errors.ts'
import type { FeedEvent, FeedPosition } from '../../src/ledger/model/feed-step.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, holdSession, insertByHand, openBeside, transfer } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { randomOf } from '../support/random-ledger.ts'
import { openTestServer } from '../support/server.ts'

/* The ledger-wide stream: nothing passed over, whatever order ids, times and commits come in. */

let ledger: TestLedger
let accounts: AccountId[]
const subscriptions: AsyncIterableIterator<FeedEvent, undefined>[] = []

beforeEach(async () => {
  ledger = await openTestLedger()
  accounts = await makeAccounts(ledger, 6)
})
afterEach(async () => {
  for (const subscription of subscriptions.splice(0)) await subscription.return?.()
  expect(ledger.transactionFeed.subscriberCount).toBe(0)
  expect(ledger.errors).toEqual([])
  await ledger.close()
})

async function subscribe(since?: FeedPosition, through: Ledger = ledger) {
  const subscription = await through.transactionFeed.subscribe(since)
  subscriptions.push(subscription)
  return subscription
}

async function nextOn(subscription: AsyncIterableIterator<FeedEvent, undefined>): Promise<FeedEvent> {
  const { value } = await subscription.next()
  return value as FeedEvent
}

async function take(subscription: AsyncIterableIterator<FeedEvent, undefined>, count: number): Promise<FeedEvent[]> {
  const events: FeedEvent[] = []
  while (events.length < count) events.push(await nextOn(subscription))
  return events
}

const idsOf = (events: readonly FeedEvent[]) => events.map(({ transaction }) => transaction.id)

const accountAt = (index: number) => accounts[index] as AccountId

/** By time and then by id, as the table has them. */
async function allIds(): Promise<string[]> {
  const { rows } = await ledger.test.pool.query('select id from transactions order by created_at, id')
  return rows.map(({ id }) => id)
}

/** The entries of each account come in their order. */
function checkOrder(events: readonly FeedEvent[]): void {
  const last = new Map<string, number>()
  for (const { transaction } of events) {
    const { sourceAccountId, sourceSequence, destinationAccountId, destinationSequence } = transaction
    const sides: [string | null, number | null][] = [
      [sourceAccountId, sourceSequence],
      [destinationAccountId, destinationSequence],
    ]
    for (const [account, sequence] of sides) {
      if (account === null || sequence === null) continue
      expect(sequence).toBeGreaterThan(last.get(account) ?? 0)
      last.set(account, sequence)
    }
  }
}

describe('a transaction that took its id and its time early and is committed late', () => {
  test('comes when it is committed, and is not passed over', async () => {
    const subscription = await subscribe()
    const late = await holdSession(ledger.test, 'select pg_current_xact_id()')
    await insertByHand(late.client, { ...deposit(accountAt(0), 1n), destinationSequence: 1 })
    const early = await Promise.all([1, 2, 3].map((index) => ledger.posting.post(deposit(accountAt(index), 2n))))
    expect(early).toMatchObject([{ posted: {} }, { posted: {} }, { posted: {} }])
    const first = await take(subscription, 3)
    expect(first.every(({ transaction }) => transaction.amount === 2n)).toBe(true)
    await late.commit()
    ledger.transactionFeed.hint()
    expect((await nextOn(subscription)).transaction).toMatchObject({ amount: 1n, destinationAccountId: accountAt(0) })
    await ledger.posting.post(deposit(accountAt(4), 3n))
    expect((await nextOn(subscription)).transaction.amount).toBe(3n)

    // And whoever resumes from before it has it too, wherever in a step it was.
    for (const { position } of first) {
      const resumed = await take(
        await subscribe(position),
        5 - (1 + first.findIndex((event) => event.position === position)),
      )
      expect(resumed.map(({ transaction }) => transaction.amount).slice(-2)).toEqual([1n, 3n])
    }
  })

  test('comes by itself within the poll, when nobody says a word', async () => {
    const subscription = await subscribe()
    const next = nextOn(subscription)
    await insertByHand(ledger.test.pool, { ...deposit(accountAt(0), 7n), destinationSequence: 1 })
    expect((await next).transaction.amount).toBe(7n)
  })

  test('and one that never ends holds nobody up', async () => {
    const idle = await holdSession(ledger.test, 'select pg_current_xact_id()')
    const subscription = await subscribe()
    for (let count = 0; count < 20; count++) {
      const outcome = await ledger.posting.post(deposit(accountAt(count % 6), 1n))
      const { transaction } = (outcome as { posted: { transaction: { id: string } } }).posted
      expect((await nextOn(subscription)).transaction.id).toBe(transaction.id)
    }
    await idle.close()
  })

  test('many of them, in any order, by hand: each comes once', async () => {
    const { upTo, oneOf } = randomOf(11)
    const since = await ledger.transactionFeed.now()
    const live = await subscribe()
    const open: { commit(): Promise<void> }[] = []
    const sequences = new Map<string, number>()
    const inserted: bigint[] = []
    for (let amount = 1n; amount <= 60n; amount++) {
      const held = await holdSession(ledger.test, 'select pg_current_xact_id()')
      // One open transaction an account: the next is begun when it is committed, as the lock has it.
      const account = (await makeAccounts(ledger, 1))[0]
      sequences.set(account, 1)
      await insertByHand(held.client, {
        ...deposit(account, amount),
        destinationSequence: 1,
        createdAt: `clock_timestamp() - interval '${upTo(1_000)} milliseconds'`,
      })
      inserted.push(amount)
      open.push(held)
      while (open.length > 8 || (open.length > 0 && upTo(3) === 0)) {
        const one = oneOf(open)
        open.splice(open.indexOf(one), 1)
        await one.commit()
        if (upTo(2)) ledger.transactionFeed.hint()
      }
    }
    for (const held of open) await held.commit()
    ledger.transactionFeed.hint()
    const ascending = (events: FeedEvent[]) =>
      events.map(({ transaction }) => transaction.amount).sort((one, two) => Number(one - two))
    const seen = await take(live, 60)
    expect(ascending(seen)).toEqual(inserted)
    expect(ascending(await take(await subscribe(since), 60))).toEqual(inserted)
    for (const at of [0, 7, 30, 58]) {
      const rest = await take(await subscribe(seen[at]?.position), 59 - at)
      expect(new Set([...idsOf(seen.slice(0, at + 1)), ...idsOf(rest)]).size).toBe(60)
    }
  })
})

test('subscribers who come, go and resume through two servers miss nothing and see nothing twice', async () => {
  const beside = await openBeside(ledger.test)
  try {
    const servers = [ledger, beside]
    const since = await ledger.transactionFeed.now()
    const { upTo, oneOf } = randomOf(5)
    const COUNT = 1_500
    const postAll = Promise.all(
      Array.from({ length: 10 }, async (_, lane) => {
        for (let at = lane; at < COUNT; at += 10) {
          const [one, other] = [accountAt(at % 6), accountAt((at + 1 + (at % 4)) % 6)]
          const server = servers[at % 2] as Ledger
          // Refused while there are no funds, and then a deposit in its place.
          const outcome = await server.posting.post(at % 3 ? transfer(one, other, 1n) : deposit(one, 5n))
          if ('refusal' in outcome) await server.posting.post(deposit(one, 5n))
        }
      }),
    )
    const readers = Array.from({ length: 5 }, async () => {
      const events: FeedEvent[] = []
      let position: FeedPosition = since
      while (events.length < COUNT) {
        const subscription = await subscribe(position, oneOf(servers))
        for (let left = 1 + upTo(200); left > 0 && events.length < COUNT; left--) {
          const event = await nextOn(subscription)
          events.push(event)
          position = event.position
        }
        await subscription.return?.()
      }
      return events
    })
    await postAll
    const ids = (await allIds()).sort()
    expect(ids).toHaveLength(COUNT)
    for (const events of await Promise.all(readers)) {
      expect(idsOf(events).sort()).toEqual(ids)
      checkOrder(events)
    }
    for (const subscription of subscriptions.splice(0)) await subscription.return?.()
    expect(beside.transactionFeed.subscriberCount).toBe(0)
  } finally {
    await beside.close()
  }
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('a position is as new as the newest row, and not as the one whose number begins with the highest digit', async () => {
  await ledger.test.pool.query(
    `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at, recorded_xid)
     values (gen_random_uuid(), gen_random_uuid(), $1, 1, 1, '2024-01-01', '9')`,
    [accountAt(0)],
  )
  await ledger.posting.post(deposit(accountAt(0), 2n))
  const subscription = await subscribe()
  await ledger.posting.post(deposit(accountAt(0), 3n))
  expect((await nextOn(subscription)).transaction.amount).toBe(3n)
})

test('a step of thousands comes page by page, in the order of time and id, to those who are there, come and resume', async () => {
  const since = await ledger.transactionFeed.now()
  const live = await subscribe()
  const waiting = take(live, 2_300)
  await ledger.test.pool.query(
    `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
     select gen_random_uuid(), gen_random_uuid(), ($1::uuid[])[1 + number % 6], 1 + number / 6, 1, now() + (number / 6) * interval '1 microsecond'
     from generate_series(0, 2299) number`,
    [accounts],
  )
  ledger.transactionFeed.hint()
  const ids = await allIds()
  const joined = await Promise.all(
    [1, 2, 3].map(() => subscribe(since).then((subscription) => take(subscription, 2_300))),
  )
  const events = await waiting
  for (const seen of [events, ...joined]) expect(idsOf(seen)).toEqual(ids)
  for (const at of [0, 499, 500, 501, 1_234, 2_298]) {
    const rest = await take(await subscribe(events[at]?.position), 2_299 - at)
    expect(idsOf(rest)).toEqual(ids.slice(at + 1))
  }
  await ledger.posting.post(deposit(accountAt(0), 9n))
  expect((await nextOn(live)).transaction.amount).toBe(9n)
})

test('a subscriber that stops reading is let go with the position it has reached, and the others do not notice', async () => {
  const stalled = await subscribe()
  const reading = await subscribe()
  await ledger.posting.post(deposit(accountAt(0), 1n))
  await take(stalled, 1)
  const TOTAL = 6_000
  const all = take(reading, TOTAL + 1)
  for (let count = 0; count < TOTAL; count += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, at) => ledger.posting.post(deposit(accountAt(at % 6), 1n))))
  }
  const ids = idsOf(await all)
  expect(new Set(ids).size).toBe(TOTAL + 1)
  await vi.waitFor(() => expect(ledger.transactionFeed.subscriberCount).toBe(1))
  const failure = await stalled.next().catch((error) => error)
  expect(failure).toBeInstanceOf(SlowConsumerError)
  expect(await stalled.next()).toEqual({ done: true, value: undefined })
  const rest = await take(await subscribe((failure as SlowConsumerError<FeedPosition>).position), TOTAL)
  expect(idsOf(rest).sort()).toEqual(ids.slice(1).sort())
})

test('a position from the future is refused, also one that some other server made', async () => {
  const { previous, snapshot } = await ledger.transactionFeed.now()
  const xmax = BigInt(snapshot.split(':')[1] as string)
  const ahead = `${xmax}:${xmax + 1_000n}:`
  await expect(ledger.transactionFeed.subscribe({ previous, snapshot: ahead, after: null })).rejects.toBeInstanceOf(
    PositionNotReachedError,
  )
})

test('a ledger that was restored from a dump has no feed until its era is renewed, and then every new transaction is in it', async () => {
  await ledger.posting.post(deposit(accountAt(0), 1n))
  await ledger.test.pool.query(
    `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at, recorded_xid)
     values (gen_random_uuid(), gen_random_uuid(), $1, 2, 5, clock_timestamp(), '900000000000')`,
    [accountAt(0)],
  )
  await expect(ledger.transactionFeed.subscribe()).rejects.toBeInstanceOf(RestoredLedgerError)
  const server = await openTestServer({}, ledger.test)
  const { data, errors } = await server.ask('{ ledger { cursor } }')
  await server.close()
  expect([data, errors?.[0]?.extensions?.code]).toEqual([{ ledger: null }, 'FEED_CLOSED'])
  const reported: unknown[] = []
  await (await openBeside(ledger.test, { onError: (error) => reported.push(error) })).close()
  expect(reported).toMatchObject([{ message: expect.stringContaining('npm run era:renew') }])

  await ledger.renewEra()
  const beside = await openBeside(ledger.test)
  expect(beside.era).not.toBe(ledger.era)
  const subscription = await subscribe(undefined, beside)
  await beside.posting.post(deposit(accountAt(0), 3n))
  expect((await nextOn(subscription)).transaction).toMatchObject({ amount: 3n, destinationSequence: 3 })
  await subscription.return?.()
  await beside.close()
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

describe('a database transaction with more rows than a page, and others after it', () => {
  beforeEach(() => {
    // No poll: only a hint, or whoever joins, has the feed read.
    vi.useFakeTimers({ toFake: ['setInterval'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  async function fill(...counts: number[]): Promise<void> {
    for (const [account, count] of counts.entries()) {
      await ledger.test.pool.query(
        `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
         select gen_random_uuid(), gen_random_uuid(), $1, number, 1, clock_timestamp() from generate_series(1, ${count}) number`,
        [accountAt(account)],
      )
    }
  }

  async function subscribeLive() {
    const live = await subscribe()
    const first = nextOn(live)
    await ledger.posting.post(deposit(accountAt(5), 1n))
    await first
    return live
  }

  test('are sent to live subscribers after one hint', async () => {
    const live = await subscribeLive()
    await fill(600, 10, 10)
    ledger.transactionFeed.hint()
    expect(idsOf(await take(live, 620))).toEqual((await allIds()).slice(1))
  })

  test('are not sent again to a subscriber who has read them and joins others who are behind', async () => {
    const live = await subscribeLive()
    const since = await ledger.transactionFeed.now()
    await fill(600, 10, 10)
    const joining = await subscribe(since)
    const ids = (await allIds()).slice(1)
    expect(idsOf(await take(joining, 620))).toEqual(ids)
    const next = nextOn(joining)
    // It joins, for which the others are brought up to date.
    expect(idsOf(await take(live, 620))).toEqual(ids)
    await ledger.posting.post(deposit(accountAt(5), 2n))
    expect((await next).transaction.amount).toBe(2n)
  })
})
