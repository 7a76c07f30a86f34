import { setImmediate as nextTurn } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import type { LedgerEntry } from '../../src/ledger/model/entry.ts'
import { deposit, openBeside } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger
beforeEach(async () => {
  ledger = await openTestLedger()
  // No poll: what is read is read on a hint.
  vi.useFakeTimers({ toFake: ['setInterval'] })
})
afterEach(async () => {
  vi.useRealTimers()
  await ledger.close()
})

test('all accounts that are watched are looked at in one statement, however many there are', async () => {
  const COUNT = 300
  const accounts = await makeAccounts(ledger, COUNT)
  const beside = await openBeside(ledger.test)
  const subscriptions = accounts.map((id) => ledger.feed.subscribe(id, 0, 0))
  const nextOfAll = () => Promise.all(subscriptions.map(async (each) => (await each.next()).value as LedgerEntry))
  const firsts = nextOfAll()
  await Promise.all(accounts.map((id) => ledger.posting.post(deposit(id, 1n))))
  expect((await firsts).every(({ sequence }) => sequence === 1)).toBe(true)
  while (ledger.feed.lagMs > 0) await nextTurn()

  const sent = vi.spyOn(pg.Client.prototype, 'query')
  ledger.feed.hint('any')
  while (ledger.feed.lagMs > 0) await nextTurn()
  const reads = sent.mock.calls.filter(
    ([statement]) => (statement as unknown as { name?: string }).name === 'read_entries',
  )
  sent.mockRestore()
  expect(reads.map(([, values]) => (values as unknown as string[][])[0]?.length)).toContain(COUNT)

  // More of one account than is read at once, while all are looked at.
  const rest = Promise.all(Array.from({ length: 20 }, async () => (await subscriptions[7]?.next())?.value?.sequence))
  await Promise.all(Array.from({ length: 20 }, () => beside.posting.post(deposit(accounts[7] as AccountId, 1n))))
  ledger.feed.hint('any')
  expect(await rest).toEqual(Array.from({ length: 20 }, (_, index) => index + 2))
  for (const subscription of subscriptions) await subscription.return?.()
  await beside.close()
})
