import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { type Instant, instantOf, microsecondsOf, toInstant } from '../../src/db/instant.ts'
import { databaseOf } from '../../src/db/pool.ts'
import { remedyFor } from '../../src/db/sqlstate.ts'
import { FutureMomentError } from '../../src/ledger/model/balance.ts'
import { SettledClock } from '../../src/ledger/reading/settled-clock.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import {
  databaseClock,
  deposit,
  insertByHand,
  installStall,
  lockAccounts,
  openBeside,
  readAccount,
  stall,
  transfer,
  untilBlocked,
} from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { openTestServer } from '../support/server.ts'

let ledger: TestLedger
let payer: AccountId
let payee: AccountId

beforeEach(async () => {
  // Longer than any test holds an insert: a batch that gives up a lock reads a later clock the next time.
  ledger = await openTestLedger({ batchLockWaitMs: 60_000 })
  ;[payer, payee] = await makeAccounts(ledger, 2, 100n)
})

afterEach(async () => {
  await ledger.close()
})

const amountsAt = async (asOf: Instant, ...ids: AccountId[]) =>
  (await ledger.balances.asOf(ids.map((accountId) => ({ accountId, asOf })))).map((answer) =>
    answer instanceof FutureMomentError ? answer : answer.amount,
  )

/** A transfer of 30 that has read the clock and cannot commit before `land`, and a moment after that reading. */
async function holdTransferInFlight() {
  await installStall(ledger.test)
  const before = await databaseClock(ledger.test)
  const gate = await stall(ledger.test)
  const posting = ledger.posting.post(transfer(payer, payee, 30n))
  await untilBlocked(ledger.test, 1, 'insert into%')
  const moment = await databaseClock(ledger.test)
  return {
    before,
    moment,
    async land() {
      await gate.commit()
      expect(await posting).toMatchObject({ posted: { replayed: false } })
    },
  }
}

test('the balance at the time of each of 1,000 entries includes that entry and none after it', async () => {
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (let count = 0; count < 50; count++) {
        await ledger.posting.post(transfer(payer, payee, 1n))
        await ledger.posting.post(transfer(payee, payer, 1n))
      }
    }),
  )
  const entries = await readAccount(ledger.test, payer)
  expect(entries).toHaveLength(1_001)
  const answers = await ledger.balances.asOf(entries.map(({ createdAt: asOf }) => ({ accountId: payer, asOf })))
  expect(answers).toEqual(
    entries.map(({ sequence, balance, createdAt }) => ({
      accountId: payer,
      amount: balance,
      sequence,
      asOf: createdAt,
    })),
  )
  const justBefore = entries.map(({ createdAt }) => instantOf(microsecondsOf(createdAt) - 1))
  const earlier = await ledger.balances.asOf(justBefore.map((asOf) => ({ accountId: payer, asOf })))
  expect(earlier).toMatchObject(entries.map(({ sequence }) => ({ sequence: sequence - 1 })))

  const server = await openTestServer({}, ledger.test)
  try {
    const fields = entries
      .slice(-50)
      .map(({ createdAt }, index) => `at${index}: balance(asOf: "${createdAt}") { sequence }`)
    const { data } = await server.ask(`query($id: ID!) { account(id: $id) { ${fields.join(' ')} } }`, { id: payer })
    expect(Object.values(data.account)).toEqual(entries.slice(-50).map(({ sequence }) => ({ sequence })))
  } finally {
    await server.close()
  }
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

describe('while a transfer is in flight', () => {
  test('a moment after its clock is waited for, and the answer includes it, now and ever after', async () => {
    const inFlight = await holdTransferInFlight()
    const asked = amountsAt(inFlight.moment, payer, payee)
    await untilBlocked(ledger.test, 1, '%for share%')
    await inFlight.land()
    expect(await asked).toEqual([70n, 130n])
    expect(await amountsAt(inFlight.moment, payer, payee)).toEqual([70n, 130n])
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })

  test('a moment before it began is settled: answered at once, and the same after it', async () => {
    const inFlight = await holdTransferInFlight()
    expect(await amountsAt(inFlight.before, payer, payee)).toEqual([100n, 100n])
    await inFlight.land()
    expect(await amountsAt(inFlight.before, payer, payee)).toEqual([100n, 100n])
  })

  test('a moment up to the last entry is final: answered at once, even on a lying clock', async () => {
    const ahead = await databaseClock(ledger.test, '3 seconds')
    await insertByHand(ledger.test.pool, { ...deposit(payer, 5n), destinationSequence: 2, createdAt: `'${ahead}'` })
    const inFlight = await holdTransferInFlight()
    expect(await amountsAt(instantOf(microsecondsOf(ahead) - 1), payer)).toEqual([100n])
    expect(await amountsAt(ahead, payer)).toEqual([105n])
    await inFlight.land()
    expect(await amountsAt(ahead, payer)).toEqual([105n])
  })

  test('accounts that it does not touch are answered at once', async () => {
    const [other] = await makeAccounts(ledger, 1, 5n)
    const inFlight = await holdTransferInFlight()
    expect(await amountsAt(inFlight.moment, other)).toEqual([5n])
    const last = (await readAccount(ledger.test, payer)).at(-1)?.createdAt as Instant
    const together = [
      { accountId: payer, asOf: last },
      { accountId: other, asOf: inFlight.moment },
    ]
    expect(await ledger.balances.asOf(together)).toMatchObject([{ amount: 100n }, { amount: 5n }])
    await inFlight.land()
  })

  test('an account held for longer than a reader can wait is unavailable, not wrong', async () => {
    const holder = await lockAccounts(ledger.test, payer)
    const moment = await databaseClock(ledger.test)
    const failure = await amountsAt(moment, payer).catch((error) => error)
    // By one timeout or the other: to be asked again.
    expect(remedyFor(failure)).toBe('again')
    await holder.commit()
    expect(await amountsAt(moment, payer)).toEqual([100n])
  })
})

describe('a poster', () => {
  test('that holds its lock and has not read the clock is waited for', async () => {
    const poster = await lockAccounts(ledger.test, payer, payee)
    const moment = await databaseClock(ledger.test)
    const asked = amountsAt(moment, payer, payee)
    await untilBlocked(ledger.test, 1, '%for share%')
    await insertByHand(poster.client, { ...transfer(payer, payee, 30n), sourceSequence: 2, destinationSequence: 2 })
    await poster.commit()
    expect(await asked).toEqual([100n, 100n])
    expect(await amountsAt(moment, payer, payee)).toEqual([100n, 100n])
  })

  test('that begins after a moment was settled comes after that moment', async () => {
    const moment = await databaseClock(ledger.test)
    expect(await amountsAt(moment, payer)).toEqual([100n])
    await ledger.posting.post(transfer(payer, payee, 30n))
    expect(await amountsAt(moment, payer)).toEqual([100n])
  })

  test('that begins during a reading of the clock comes after what that reading settles', async () => {
    const began = await databaseClock(ledger.test)
    const { now, settledBefore } = await new SettledClock(ledger.database).readingFor(toInstant('9999'))
    expect(now > began && now < (await databaseClock(ledger.test))).toBe(true)
    expect((settledBefore as string) <= now).toBe(true)
    const holder = await lockAccounts(ledger.test, payer)
    const { rows } = await holder.client.query(`select now() as "startedAt"`)
    const held = await new SettledClock(ledger.database).readingFor(toInstant('9999'))
    expect(new Date(held.settledBefore as string).getTime()).toBeLessThanOrEqual(rows[0].startedAt.getTime())
    await holder.close()
  })
})

test('the past does not move: what was answered under load is answered again', async () => {
  const accounts = [payer, payee, ...(await makeAccounts(ledger, 2, 100n))]
  const answered: { asOf: Instant; amounts: unknown[] }[] = []
  let posting = true
  const readers = Array.from({ length: 4 }, async () => {
    while (posting) {
      const asOf = await databaseClock(ledger.test, `-${Math.floor(Math.random() * 300)} microseconds`)
      answered.push({ asOf, amounts: await amountsAt(asOf, ...accounts) })
    }
  })
  await Promise.all(
    Array.from({ length: 8 }, async (_, lane) => {
      // For as long as it takes until enough was read meanwhile.
      for (let count = 0; count < 150 || answered.length <= 50; count++) {
        const [source, destination] = [accounts[(lane + count) % 4], accounts[(lane + 1) % 4]] as [AccountId, AccountId]
        await ledger.posting.post(transfer(source, destination, BigInt(1 + (count % 90))))
      }
    }),
  )
  posting = false
  await Promise.all(readers)
  expect(answered.length).toBeGreaterThan(50)
  for (const { asOf, amounts } of answered) {
    expect(await amountsAt(asOf, ...accounts)).toEqual(amounts)
    expect((amounts as bigint[]).reduce((sum, amount) => sum + amount, 0n)).toBe(400n)
  }
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
})

test('a role that may not see what others do trusts no clock, and waits for the lock', async () => {
  const role = `reader_${randomUUID().replaceAll('-', '')}`
  await ledger.test.pool.query(`
    create role ${role} login password 'secret';
    grant usage on schema private to ${role};
    grant select on all tables in schema public, private to ${role};
    grant update on accounts to ${role}`)
  const url = Object.assign(new URL(ledger.test.url), { username: role, password: 'secret' }).href
  const reader = await openBeside(ledger.test, { url })
  const pool = new pg.Pool({ connectionString: url })
  try {
    const inFlight = await holdTransferInFlight()
    const held = await new SettledClock(databaseOf(pool)).readingFor(toInstant('9999'))
    expect(held.settledBefore).toBeNull()
    const asked = reader.balances.asOf([{ accountId: payer, asOf: inFlight.moment }])
    await untilBlocked(ledger.test, 1, '%for share%')
    await inFlight.land()
    expect(await asked).toMatchObject([{ amount: 70n, sequence: 2 }])
  } finally {
    await pool.end()
    await reader.close()
    await ledger.test.pool.query(`
      revoke all on all tables in schema public, private from ${role};
      revoke all on schema private from ${role};
      drop role ${role}`)
  }
})

test('reads that wait for an account that stays locked leave all other reads alone', async () => {
  const holder = await lockAccounts(ledger.test, payer)
  // The lock has no transaction id of its own: what makes the moment unsettled is another one that does.
  await holder.client.query('select pg_current_xact_id()')
  const moment = await databaseClock(ledger.test)
  const waiting = Array.from({ length: 30 }, () => ledger.balances.asOf([{ accountId: payer, asOf: moment }]))
  await untilBlocked(ledger.test, 1, '%for share%')
  const others = await Promise.all(Array.from({ length: 50 }, () => ledger.balances.current([payee])))
  expect(others.every(([balance]) => balance?.amount === 100n)).toBe(true)
  expect(await untilBlocked(ledger.test, 1, '%for share%')).toBeUndefined()
  await holder.commit()
  for (const answer of await Promise.all(waiting)) expect(answer).toMatchObject([{ amount: 100n }])
})
