import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AccountId, toAccountId } from '../../src/db/ids.ts'
import type { Instant } from '../../src/db/instant.ts'
import { FutureMomentError } from '../../src/ledger/model/balance.ts'
import { databaseClock, deposit, insertByHand, openBeside, readAccount, transfer } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { openProxy } from '../support/proxy.ts'

let ledger: TestLedger
let payer: AccountId
let payee: AccountId

beforeEach(async () => {
  ledger = await openTestLedger()
  ;[payer, payee] = await makeAccounts(ledger, 2, 100n)
})

afterEach(async () => {
  await ledger.close()
})

const amountsAt = async (asOf: Instant, ...ids: AccountId[]) =>
  (await ledger.balances.asOf(ids.map((accountId) => ({ accountId, asOf })))).map((answer) =>
    answer instanceof FutureMomentError ? answer : answer.amount,
  )

describe('the future', () => {
  test('is an error that says what PostgreSQL takes the time to be', async () => {
    const before = await databaseClock(ledger.test)
    const [answer] = await amountsAt(await databaseClock(ledger.test, '1 minute'), payer)
    expect(answer).toBeInstanceOf(FutureMomentError)
    const { now } = answer as FutureMomentError
    expect(now > before && now < (await databaseClock(ledger.test))).toBe(true)
  })

  test('is of each account by itself: one may have an entry there already', async () => {
    const ahead = await databaseClock(ledger.test, '1 minute')
    await insertByHand(ledger.test.pool, { ...deposit(payer, 5n), destinationSequence: 2, createdAt: `'${ahead}'` })
    expect(await amountsAt(ahead, payer, payee)).toEqual([105n, expect.any(FutureMomentError)])
  })

  test('does not begin before a posting that was just answered, though the clock is being read since earlier', async () => {
    const proxy = await openProxy(ledger.test.url)
    const through = await openBeside(ledger.test, { url: proxy.url })
    try {
      proxy.inject('never', /pg_stat_activity/, 1)
      const early = through.balances.asOf([{ accountId: payer, asOf: await databaseClock(ledger.test) }])
      await proxy.keptBack()
      await ledger.posting.post(transfer(payer, payee, 30n))
      const asOf = (await readAccount(ledger.test, payer)).at(-1)?.createdAt as Instant
      const stranger = through.balances.asOf([{ accountId: toAccountId(randomUUID()), asOf }])
      proxy.release()
      expect(await stranger).toMatchObject([{ amount: 0n, sequence: 0, asOf }])
      expect(await early).toMatchObject([{ amount: 100n }])
    } finally {
      await through.close()
      await proxy.close()
    }
  })
})
