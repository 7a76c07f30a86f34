import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyLedger } from '../../src/ledger/verify.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger
beforeAll(async () => {
  ledger = await openTestLedger()
})
afterAll(() => ledger.close())

test('a sound ledger has no findings', async () => {
  const [ada, grace] = (await makeAccounts(ledger, 2, 100n)) as [string, string]
  await ledger.posting.post({ idempotencyKey: randomUUID(), sourceUserId: ada, destinationUserId: grace, amount: 30n })
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})
