import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { FeedFailedError } from '../../src/ledger/model/feed-errors.ts'
import type { FeedPosition } from '../../src/ledger/model/feed-step.ts'
import { breakReads, deposit, holdSession, openBeside } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

/* A subscription whose events cannot be read ends and says why; nothing is lost. */

let ledger: TestLedger
let beside: Ledger
let account: AccountId

beforeEach(async () => {
  ledger = await openTestLedger()
  ;[account] = await makeAccounts(ledger, 1)
  await ledger.posting.post(deposit(account, 1n))
  // A statement may take as long as an operation, and a second more. Within it a busy machine must also connect.
  beside = await openBeside(ledger.test, { operationDeadlineMs: 2_000 })
})
afterEach(async () => {
  await beside.close()
  await ledger.close()
})

const failureOf = (next: Promise<unknown>) =>
  next.then(
    () => undefined,
    (error) => error as FeedFailedError<unknown>,
  )

/** From now on reads wait for a lock. Returns what ends that. */
async function lockReads(): Promise<() => Promise<void>> {
  const holder = await holdSession(ledger.test, 'lock table transactions in access exclusive mode')
  return () => holder.commit()
}

async function breakAllReads(): Promise<() => Promise<void>> {
  const restores = [
    await breakReads(ledger.test, 'private', 'entries'),
    await breakReads(ledger.test, 'public', 'transactions'),
  ]
  return async () => {
    for (const restore of restores) await restore()
  }
}

test.each([
  ['time out', 'timed-out', lockReads],
  ['fail', 'failed', breakAllReads],
])('subscriptions whose reads %s end with their position, live or behind', async (_how, reason, damage) => {
  const since = await beside.transactionFeed.now()
  const live = { account: beside.feed.subscribe(account, 1, 1), ledger: await beside.transactionFeed.subscribe() }
  await ledger.posting.post(deposit(account, 2n))
  expect((await live.account.next()).value).toMatchObject({ sequence: 2 })
  expect((await live.ledger.next()).value).toMatchObject({ transaction: { amount: 2n } })
  const behind = {
    account: beside.feed.subscribe(account, 1, 2),
    ledger: await beside.transactionFeed.subscribe(since),
  }
  const restore = await damage()
  const subscriptions = [live.account, live.ledger, behind.account, behind.ledger]
  const failures = await Promise.all(subscriptions.map((subscription) => failureOf(subscription.next())))
  for (const failure of failures) expect(failure).toBeInstanceOf(FeedFailedError)
  expect(failures.map((failure) => failure?.reason)).toEqual([reason, reason, reason, reason])
  expect(failures[0]?.position).toBe(2)
  expect(failures[2]?.position).toBe(1)
  for (const subscription of subscriptions) expect(await subscription.next()).toEqual({ done: true, value: undefined })
  expect([beside.feed.subscriberCount, beside.transactionFeed.subscriberCount]).toEqual([0, 0])

  await restore()
  const resumed = await ledger.transactionFeed.subscribe(failures[3]?.position as FeedPosition)
  expect((await resumed.next()).value).toMatchObject({ transaction: { amount: 2n } })
  await resumed.return?.()
})
