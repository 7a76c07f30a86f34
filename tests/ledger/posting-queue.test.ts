import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toAccountId } from '../../src/db/ids.ts'
import type { LedgerOptions } from '../../src/ledger/ledger.ts'
import type { PostingRequest } from '../../src/ledger/model/posting.ts'
import { UnavailableError } from '../../src/ledger/model/unavailable.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import {
  deposit,
  installStall,
  lockAccounts,
  openBeside,
  postUntilDefinite,
  readAccount,
  stall,
  transfer,
  untilBlocked,
} from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'
import { toExpected } from '../support/model.ts'

let ledger: TestLedger

const open = async (options: Partial<LedgerOptions> = {}) => {
  ledger = await openTestLedger(options)
}
afterEach(() => ledger.close())

const countRows = async () => (await ledger.test.pool.query('select from transactions')).rowCount as number

describe('postings gather while a batch is in flight', () => {
  beforeEach(() => open())

  test('and are one database transaction', async () => {
    const accounts = await makeAccounts(ledger, 20)
    const before = ledger.posting.counts.batches
    await Promise.all(accounts.map((id) => ledger.posting.post(deposit(id, 5n))))
    expect(ledger.posting.counts.batches - before).toBeLessThanOrEqual(3)
    const { rows } = await ledger.test.pool.query('select count(distinct recorded_xid)::int as count from transactions')
    expect(rows[0].count).toBeLessThanOrEqual(3)
  })

  test('and a batch gives what the same postings give one at a time', async () => {
    const together = await makeAccounts(ledger, 4, 20n)
    const alone = await makeAccounts(ledger, 4, 20n)
    const beside = await openBeside(ledger.test, { batchSizeMax: 1 })
    const wishes = fc.array(
      fc.record({
        key: fc.nat(12),
        source: fc.option(fc.nat(4)),
        destination: fc.nat(4),
        amount: fc.bigInt(1n, 12n),
      }),
      { minLength: 1, maxLength: 40, size: 'max' },
    )
    const nobody = toAccountId(randomUUID())
    try {
      await fc.assert(
        fc.asyncProperty(wishes, async (batch) => {
          const requestsOn = (accounts: AccountId[]): PostingRequest[] => {
            const keys = Array.from({ length: 13 }, () => randomUUID())
            const idOf = (place: number) => accounts[place] ?? nobody
            return batch.map(({ key, source, destination, amount }) => ({
              idempotencyKey: keys[key] as string,
              sourceAccountId: source === null ? null : idOf(source),
              destinationAccountId: idOf(destination),
              amount: toAmount(amount),
            }))
          }
          const namesOn = (accounts: AccountId[]) => (outcome: unknown) =>
            JSON.stringify(outcome, (_key, value) => {
              if (typeof value === 'bigint') return `${value}`
              const place = accounts.indexOf(value)
              return place === -1 ? value : `account ${place}`
            })
          const ofBatch = await Promise.all(
            requestsOn(together).map((request) => ledger.posting.postTogether([request])),
          )
          const oneByOne = []
          for (const request of requestsOn(alone)) oneByOne.push(await beside.posting.postTogether([request]))
          expect(ofBatch.flatMap(toExpected).map(namesOn(together))).toEqual(
            oneByOne.flatMap(toExpected).map(namesOn(alone)),
          )
        }),
        { numRuns: 40, endOnFailure: true },
      )
    } finally {
      await beside.close()
    }
    const [ofBatch, oneByOne] = [await ledger.balances.current(together), await ledger.balances.current(alone)]
    const inShort = (balances: typeof ofBatch) => balances.map(({ amount, sequence }) => [amount, sequence])
    expect(inShort(ofBatch)).toEqual(inShort(oneByOne))
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })
})

test('past the length of the queue a posting is turned away at once, and nothing of it is written', async () => {
  await open({ queueLengthMax: 10 })
  const [account, other] = await makeAccounts(ledger, 2)
  await installStall(ledger.test)
  const held = await stall(ledger.test)
  const taken = Array.from({ length: 10 }, (_, index) =>
    ledger.posting.post(deposit(account, 1n), `submitter ${index}`),
  )
  const turnedAway = await ledger.posting.post(deposit(other, 1n), 'late').catch((error) => error)
  expect(turnedAway).toBeInstanceOf(UnavailableError)
  expect(turnedAway).toMatchObject({ code: 'OVERLOADED', retryable: true })
  await expect(ledger.posting.postTogether([deposit(other, 1n)], 'late')).rejects.toMatchObject({ code: 'OVERLOADED' })
  await held.close()
  for (const outcome of await Promise.all(taken)) expect(outcome).toMatchObject({ posted: { replayed: false } })
  expect(await countRows()).toBe(10)
  expect(await ledger.posting.post(deposit(other, 1n))).toMatchObject({ posted: { replayed: false } })
  await ledger.attempts.flush()
  expect((await ledger.test.pool.query('select from private.failed_transactions')).rowCount).toBe(0)
})

describe('submitters share the queue', () => {
  test('so one that fills its share is turned away, and another is not', async () => {
    await open({ queueLengthMax: 10 })
    const [account, other] = await makeAccounts(ledger, 2)
    await installStall(ledger.test)
    const held = await stall(ledger.test)
    const greedy = Array.from({ length: 8 }, () => ledger.posting.post(deposit(account, 1n), 'greedy'))
    const modest = Array.from({ length: 2 }, () => ledger.posting.post(deposit(other, 1n), 'modest'))
    // Half of the space, as long as nobody else has any.
    for (const late of greedy.slice(5)) await expect(late).rejects.toMatchObject({ code: 'OVERLOADED' })
    await held.close()
    for (const outcome of await Promise.all([...greedy.slice(0, 5), ...modest])) {
      expect(outcome).toMatchObject({ posted: { replayed: false } })
    }
    expect(ledger.posting.unansweredCount).toBe(0)
    expect(await countRows()).toBe(7)
  })

  test('so a single posting does not wait for the thousands of another submitter', async () => {
    await open()
    const accounts = await makeAccounts(ledger, 41, 100n)
    const [payer, payee] = accounts as [AccountId, AccountId]
    let answered = 0
    const bulk = Array.from({ length: 4_000 }, (_, index) =>
      ledger.posting.post(transfer(accounts[1 + (index % 40)] as AccountId, payer, 500n), 'bulk').then((outcome) => {
        answered++
        return outcome
      }),
    )
    expect(await ledger.posting.post(transfer(payer, payee, 1n), 'light')).toMatchObject({ posted: {} })
    // What was in flight, and one batch more.
    expect(answered).toBeLessThanOrEqual(1_024)
    for (const outcome of await Promise.all(bulk)) expect(outcome).toMatchObject({ refusal: {} })
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })
})

test('a posting whose turn does not come in time is retryable, and nothing of it is written', async () => {
  await open({ operationDeadlineMs: 700 })
  const [account] = await makeAccounts(ledger, 1)
  await installStall(ledger.test)
  const held = await stall(ledger.test)
  const first = ledger.posting.post(deposit(account, 1n))
  const answer = first.catch((error) => error)
  // On a busy machine its time may be over before it comes to the insert.
  await Promise.race([untilBlocked(ledger.test, 1, '%insert into "transactions"%'), answer])
  const behind = ledger.posting.post(deposit(account, 2n)).catch((error) => error)
  for (const failure of [await answer, await behind]) {
    expect(failure).toMatchObject({ code: 'RETRIES_EXHAUSTED', retryable: true })
  }
  await held.close()
  expect(await countRows()).toBe(0)
})

describe('one that fails fails alone', () => {
  beforeEach(() => open())

  /** Whatever has this amount makes its insert fail, as often as it is tried. */
  const poison = (amount: number, sqlstate: string, when: 'statement' | 'commit' = 'statement', times = 1_000) =>
    ledger.test.pool.query(`
      create sequence poisoned;
      create function poison() returns trigger language plpgsql as $$
        begin
          if new.amount = ${amount} and nextval('poisoned') <= ${times} then
            raise exception 'poison' using errcode = '${sqlstate}';
          end if;
          return null;
        end $$;
      create constraint trigger poison after insert on transactions
        deferrable initially ${when === 'commit' ? 'deferred' : 'immediate'} for each row execute function poison()`)

  test.each(['statement', 'commit'] as const)('by a fault in its %s', async (when) => {
    const accounts = await makeAccounts(ledger, 30)
    await poison(13, '23514', when)
    const answers = await Promise.allSettled(
      accounts.map((id, index) => ledger.posting.post(deposit(id, BigInt(index + 1)))),
    )
    for (const [index, answer] of answers.entries()) {
      if (index === 12) expect(answer).toMatchObject({ status: 'rejected', reason: { cause: { code: '23514' } } })
      else expect(answer).toMatchObject({ status: 'fulfilled', value: { posted: { replayed: false } } })
    }
    expect(await countRows()).toBe(29)
    expect(ledger.errors).toHaveLength(1)
    // Once with its batch, and once by itself.
    const { rows } = await ledger.test.pool.query('select last_value::int as tries from poisoned')
    expect(rows[0].tries).toBe(2)
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })

  test.each([
    ['40001', 'statement'],
    ['40P01', 'statement'],
    ['40001', 'commit'],
    ['40P01', 'commit'],
  ] as const)('or is tried again until it succeeds: %s at its %s', async (sqlstate, when) => {
    const accounts = await makeAccounts(ledger, 30)
    await poison(13, sqlstate, when, 4)
    const answers = await Promise.all(accounts.map((id, index) => ledger.posting.post(deposit(id, BigInt(index + 1)))))
    for (const answer of answers) expect(answer).toMatchObject({ posted: { replayed: false } })
    const { rows } = await ledger.test.pool.query('select last_value::int as tries from poisoned')
    expect(rows[0].tries).toBe(5)
    expect(await countRows()).toBe(30)
    expect(ledger.errors).toEqual([])
  })

  test('by what never passes, after ten attempts', async () => {
    const accounts = await makeAccounts(ledger, 30)
    await poison(13, '40001')
    const answers = await Promise.allSettled(
      accounts.map((id, index) => ledger.posting.post(deposit(id, BigInt(index + 1)))),
    )
    const failed = answers.flatMap((answer, index) =>
      answer.status === 'rejected' ? [[index, answer.reason.code]] : [],
    )
    expect(failed).toEqual([[12, 'RETRIES_EXHAUSTED']])
    const { rows } = await ledger.test.pool.query('select last_value::int as tries from poisoned')
    expect(rows[0].tries).toBe(10)
  })

  test('by an account that contradicts itself', async () => {
    const accounts = await makeAccounts(ledger, 10, 5n)
    await ledger.test.pool.query(
      `insert into transactions (id, idempotency_key, destination_account_id, destination_sequence, amount, created_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 3, 1, now())`,
      [accounts[4]],
    )
    const answers = await Promise.allSettled(accounts.map((id) => ledger.posting.post(deposit(id, 1n))))
    expect(answers.map(({ status }) => status)).toEqual(
      accounts.map((_, index) => (index === 4 ? 'rejected' : 'fulfilled')),
    )
  })
})

describe('an account that somebody else has locked', () => {
  beforeEach(() => open())

  test('holds up its own postings and nobody else, and they are posted in order once it is free', async () => {
    const [locked, payer, payee] = await makeAccounts(ledger, 3, 100n)
    const holder = await lockAccounts(ledger.test, locked)
    const answered: string[] = []
    const post = (name: string, request: PostingRequest) =>
      ledger.posting.post(request).then((outcome) => {
        answered.push(name)
        return outcome
      })
    const waiting = [
      post('first', transfer(payer, locked, 1n)),
      post('second', transfer(locked, payee, 101n)),
      post('third', transfer(locked, payee, 1n)),
    ]
    // Once the first has found it locked, whoever comes is not held up at all: neither its counterparties.
    await untilBlocked(ledger.test, 1)
    for (let count = 1; count <= 50; count++) {
      expect(await post('other', transfer(payer, payee, 1n))).toMatchObject({ posted: { replayed: false } })
    }
    expect(new Set(answered)).toEqual(new Set(['other']))
    await holder.commit()
    const [first, second, third] = await Promise.all(waiting)
    expect([first, second]).toMatchObject([{ posted: { replayed: false } }, { posted: { replayed: false } }])
    expect(third).toMatchObject({ refusal: { code: 'INSUFFICIENT_FUNDS', available: 0n } })
    const balances = await ledger.balances.current([locked, payer, payee])
    expect(balances.map(({ amount }) => amount)).toEqual([0n, 49n, 251n])
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })

  test('and another: each is waited for by itself, and what has both is posted when both are free', async () => {
    const [one, other, third] = await makeAccounts(ledger, 3, 100n)
    const holders = [await lockAccounts(ledger.test, one), await lockAccounts(ledger.test, other)] as const
    const both = ledger.posting.post(transfer(one, other, 10n))
    const ofOne = ledger.posting.post(transfer(one, third, 10n))
    const ofOther = ledger.posting.post(transfer(other, third, 10n))
    await untilBlocked(ledger.test, 2)
    await holders[0].commit()
    expect(await ofOne).toMatchObject({ posted: { replayed: false } })
    await untilBlocked(ledger.test, 1)
    await holders[1].commit()
    for (const outcome of await Promise.all([both, ofOther])) expect(outcome).toMatchObject({ posted: {} })
    const balances = await ledger.balances.current([one, other, third])
    expect(balances.map(({ amount }) => amount)).toEqual([80n, 100n, 120n])
  })

  test('for longer than the deadline: its postings are retryable, one by one as their time is over', async () => {
    const [locked, free] = await makeAccounts(ledger, 2, 100n)
    const hasty = await openBeside(ledger.test, { operationDeadlineMs: 600 })
    const holder = await lockAccounts(ledger.test, locked)
    try {
      const early = hasty.posting.post(deposit(locked, 1n)).catch((error) => error)
      await Promise.race([untilBlocked(ledger.test), early])
      expect(await postUntilDefinite(hasty, deposit(free, 1n))).toMatchObject({ posted: {} })
      const late = hasty.posting.post(deposit(locked, 2n)).catch((error) => error)
      for (const answer of [await early, await late]) {
        expect(answer).toMatchObject({ code: 'RETRIES_EXHAUSTED', retryable: true })
      }
      await holder.commit()
      expect(await postUntilDefinite(hasty, deposit(locked, 3n))).toMatchObject({ posted: {} })
      expect(await readAccount(ledger.test, locked)).toMatchObject([{ balance: 100n }, { balance: 103n }])
    } finally {
      await holder.close()
      await hasty.close()
    }
  })

  test('turns nobody away who only has to do with its counterparty', async () => {
    // At most 50 may wait for one account: more than want the locked one, fewer than want the payer of them all.
    const narrow = await openBeside(ledger.test, { queueLengthMax: 500, operationDeadlineMs: 600_000 })
    const [hot, locked, free] = await makeAccounts(ledger, 3)
    await ledger.posting.post(deposit(hot, 1_000_000n))
    let posting = true
    let posted = 0
    const callers = Array.from({ length: 120 }, async (_, caller) => {
      for (; posting; posted++) {
        const outcome = await narrow.posting.post(transfer(hot, caller < 10 ? locked : free, 1n))
        expect(outcome).toMatchObject({ posted: { replayed: false } })
      }
    })
    for (let times = 0; times < 5; times++) {
      const holder = await lockAccounts(ledger.test, locked)
      const before = posted
      // The others go on while it is locked.
      await vi.waitFor(() => expect(posted).toBeGreaterThan(before + 300), { interval: 5 })
      await holder.commit()
    }
    posting = false
    await Promise.all(callers)
    await narrow.close()
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })

  test('is waited for still when a call that waited for it is answered, as its own time is over', async () => {
    const [locked] = await makeAccounts(ledger, 1)
    const patient = await openBeside(ledger.test, { operationDeadlineMs: 600_000 })
    const holder = await lockAccounts(ledger.test, locked)
    const answer = patient.posting.post(deposit(locked, 1n)).catch((error) => error)
    // Once it is in a lock queue, its time is over at once: the clock of this process is put forward.
    await vi.waitFor(() => expect(patient.posting.counts.lockWaits).toBe(1), { interval: 5 })
    await untilBlocked(ledger.test)
    const { now } = performance
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 600_001)
    onTestFinished(() => clock.mockRestore())
    expect(await answer).toMatchObject({ code: 'RETRIES_EXHAUSTED' })
    await untilBlocked(ledger.test)
    await holder.commit()
    await patient.close()
    expect(await countRows()).toBe(0)
  })

  test('is given up at the deadline while it is still locked, however many there are', async () => {
    const accounts = await makeAccounts(ledger, 14)
    const hasty = await openBeside(ledger.test, { operationDeadlineMs: 1_000 })
    const holder = await lockAccounts(ledger.test, ...accounts)
    const answers = await Promise.all(accounts.map((id) => hasty.posting.post(deposit(id, 1n)).catch((error) => error)))
    for (const answer of answers) expect(answer).toMatchObject({ code: 'RETRIES_EXHAUSTED' })
    await holder.commit()
    await hasty.close()
  })

  test('again and again, by several processes: no deadlock, nothing lost', async () => {
    const accounts = await makeAccounts(ledger, 4, 1_000n)
    const beside = await openBeside(ledger.test)
    let posting = true
    const strangers = accounts.map(async (account) => {
      let times = 0
      for (; posting; times++) {
        const holder = await lockAccounts(ledger.test, account)
        // So that others meet it: nothing depends on how long it is.
        await holder.client.query('select pg_sleep(0.1)')
        await holder.commit()
      }
      return times
    })
    const outcomes = await Promise.all(
      Array.from({ length: 400 }, (_, index) => {
        const [source, destination] = [accounts[index % 4], accounts[(index + 1 + (index % 3)) % 4]] as [
          AccountId,
          AccountId,
        ]
        return (index % 2 ? ledger : beside).posting.post(transfer(source, destination, 1n))
      }),
    ).finally(() => {
      posting = false
    })
    expect((await Promise.all(strangers)).every((times) => times > 0)).toBe(true)
    expect(outcomes.filter((outcome) => !('posted' in outcome))).toEqual([])
    const balances = await ledger.balances.current(accounts)
    expect(balances.reduce((sum, { amount }) => sum + amount, 0n)).toBe(4_000n)
    await beside.close()
    expect(await verifyLedger(ledger.test.pool)).toEqual([])
  })
})

test('a closed ledger has answered everybody', async () => {
  await open()
  const accounts = await makeAccounts(ledger, 50)
  const beside = await openBeside(ledger.test)
  const answers = accounts.map((id) => beside.posting.post(deposit(id, 1n)))
  await beside.close()
  for (const outcome of await Promise.all(answers)) expect(outcome).toMatchObject({ posted: { replayed: false } })
})
