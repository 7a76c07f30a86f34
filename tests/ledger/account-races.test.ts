import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { ACCOUNTS_PER_OWNER_MAX, type NewAccount } from '../../src/ledger/model/account-changes.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import {
  countDeadlocks,
  deposit,
  installStall,
  lockAccounts,
  openBeside,
  stall,
  transfer,
  untilBlocked,
} from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'

/* Two server processes on one database, and changes of accounts beside postings. */

const ROUNDS = 40
const CALLERS = 6

let database: TestDatabase
let ledgers: [Ledger, Ledger]
let errors: unknown[]

beforeEach(async () => {
  database = await openTestDatabase()
  errors = []
  const open = () => openBeside(database, { onError: (error) => errors.push(error), batchLockWaitMs: 20 })
  ledgers = [await open(), await open()]
})

afterEach(async () => {
  await Promise.all(ledgers.map((ledger) => ledger.close()))
  expect(errors).toEqual([])
  expect(await countDeadlocks(database)).toBe(0)
  expect(await verifyLedger(database.pool)).toEqual([])
  await database.close()
})

const either = (turn: number) => ledgers[turn % 2] as Ledger

async function countDebits(account: AccountId): Promise<number> {
  const { rows } = await database.pool.query(
    'select count(*)::int as count from transactions where source_account_id = $1',
    [account],
  )
  return rows[0].count
}

/** Posts through both ledgers, each caller one call after another, until it is told to stop. */
function startPosters(post: (through: Ledger, turn: number) => Promise<unknown>) {
  let isRunning = true
  const posters = Array.from({ length: CALLERS }, async (_, caller) => {
    for (let turn = caller; isRunning; turn++) await post(either(turn), turn)
  })
  return {
    async stop() {
      isRunning = false
      await Promise.all(posters)
    },
  }
}

test('a freeze and transfers that race: nothing is posted out of the account after the freeze has resolved', async () => {
  const [payer, payee] = await makeAccounts(ledgers[0], 2, 1_000_000n)
  const counts = { posted: 0, frozen: 0 }
  const wrong: unknown[] = []
  const answers = new EventEmitter()
  const posters = startPosters(async (through) => {
    const outcome = await through.posting.post(transfer(payer, payee, 1n))
    answers.emit('answer')
    if ('posted' in outcome) counts.posted++
    else if (outcome.refusal.code === 'ACCOUNT_FROZEN' && outcome.refusal.accountId === payer) counts.frozen++
    else wrong.push(outcome)
  })
  const until = async (isReached: () => boolean) => {
    while (!isReached() && wrong.length === 0) await once(answers, 'answer')
  }
  for (let round = 0; round < ROUNDS; round++) {
    const { posted } = counts
    await until(() => counts.posted > posted + CALLERS)
    expect(await either(round).accounts.setStatus(payer, 'FROZEN')).toMatchObject({ account: { status: 'FROZEN' } })
    const debits = await countDebits(payer)
    const { frozen } = counts
    // Those that were sent before the freeze are answered meanwhile, and others after it.
    await until(() => counts.frozen > frozen + 2 * CALLERS)
    expect(await countDebits(payer)).toBe(debits)
    await either(round >> 1).accounts.setStatus(payer, 'OPEN')
  }
  await posters.stop()
  expect(wrong).toEqual([])
  expect(await countDebits(payer)).toBe(counts.posted)
})

test('a transfer that waits for the lock of a freeze sees it, also where it goes around other locks', async () => {
  const [payer, payee, busy] = await makeAccounts(ledgers[0], 3, 100n)
  // As another process freezes it: the row is locked and changed, and not committed yet.
  const freezing = await lockAccounts(database, payer)
  await freezing.client.query(`update accounts set status = 'FROZEN' where id = $1`, [payer])
  const locking = await lockAccounts(database, busy)
  const out = ledgers.map((ledger) => ledger.posting.post(transfer(payer, payee, 1n)))
  const stuck = ledgers.map((ledger) => ledger.posting.post(transfer(busy, payee, 1n)))
  await untilBlocked(database, 4)
  await freezing.commit()
  const refusal = { code: 'ACCOUNT_FROZEN', accountId: payer }
  expect(await Promise.all(out)).toEqual([{ refusal }, { refusal }])
  await locking.commit()
  for (const outcome of await Promise.all(stuck)) expect(outcome).toMatchObject({ posted: { replayed: false } })
})

test('a close and a credit that race: either the credit is first and the account stays, or it is refused', async () => {
  const counts = { closed: 0, notEmpty: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const [account, payer] = await makeAccounts(ledgers[0], 2)
    await ledgers[0].posting.post(deposit(payer, 10n))
    const close = () => either(round).accounts.setStatus(account, 'CLOSED')
    const credit = () => either(round + 1).posting.post(transfer(payer, account, 1n))
    const [closed, credited] =
      round % 4 < 2
        ? await Promise.all([close(), credit()])
        : await Promise.all([credit(), close()]).then(([credited, closed]) => [closed, credited] as const)
    const [balance] = await ledgers[0].balances.current([account])
    const [now] = await ledgers[0].accounts.find([account])
    if ('account' in closed) {
      counts.closed++
      expect(closed.account.status).toBe('CLOSED')
      expect(credited).toEqual({ refusal: { code: 'ACCOUNT_CLOSED', accountId: account } })
      expect([balance?.amount, now?.status]).toEqual([0n, 'CLOSED'])
    } else {
      counts.notEmpty++
      expect(closed).toEqual({ refusal: 'ACCOUNT_NOT_EMPTY', balance })
      expect(credited).toMatchObject({ posted: { replayed: false } })
      expect([balance?.amount, now?.status]).toEqual([1n, 'OPEN'])
    }
  }
  expect(counts.closed + counts.notEmpty).toBe(ROUNDS)
})

test('a close that waits for the lock of a credit sees it', async () => {
  const [account, payer] = await makeAccounts(ledgers[0], 2)
  await ledgers[0].posting.post(deposit(payer, 10n))
  const crediting = await lockAccounts(database, account, payer)
  const closing = ledgers[0].accounts.setStatus(account, 'CLOSED')
  await untilBlocked(database)
  const [row] = (
    await crediting.client.query(
      `insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at)
       values (gen_random_uuid(), gen_random_uuid(), $1, 2, $2, 1, 1, clock_timestamp()) returning id`,
      [payer, account],
    )
  ).rows
  expect(row).toBeDefined()
  await crediting.commit()
  expect(await closing).toMatchObject({ refusal: 'ACCOUNT_NOT_EMPTY', balance: { amount: 1n, sequence: 1 } })
})

test('changes that wait for a lock leave connections for others, and are made once they have it', async () => {
  const [account, other] = await makeAccounts(ledgers[0], 2)
  const holder = await lockAccounts(database, account)
  const waiting = Array.from({ length: 8 }, () => ledgers[0].accounts.setStatus(account, 'FROZEN'))
  await untilBlocked(database)
  // There are two connections for the eight.
  expect(await ledgers[0].accounts.setStatus(other, 'FROZEN')).toMatchObject({ account: { status: 'FROZEN' } })
  await holder.commit()
  const [first, ...repeats] = await Promise.all(waiting)
  expect(first).toMatchObject({ account: { id: account, status: 'FROZEN' } })
  for (const repeat of repeats) expect(repeat).toEqual(first)
})

test('many changes of the names of one account are made one after another, and others do not wait for them', async () => {
  const [account, other] = await makeAccounts(ledgers[0], 2)
  const holder = await lockAccounts(database, account)
  const names = Array.from({ length: 30 }, (_, index) => `name ${index}`)
  const renaming = names.map((name) => ledgers[0].accounts.update(account, { name }))
  await untilBlocked(database)
  expect(await ledgers[0].accounts.update(other, { name: 'other' })).toMatchObject({ name: 'other' })
  const { rows } = await database.pool.query(
    `select count(*)::int as blocked from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  expect(rows[0].blocked).toBeLessThanOrEqual(1)
  await holder.commit()
  expect((await Promise.all(renaming)).map((account) => account?.name)).toEqual(names)
  expect(await ledgers[0].accounts.find([account])).toMatchObject([{ name: 'name 29' }])
})

test('a change that does not get the lock before its deadline is retryable, and was not made', async () => {
  const [account] = await makeAccounts(ledgers[0], 1)
  const hasty = await openBeside(database, { operationDeadlineMs: 300 })
  const holder = await lockAccounts(database, account)
  const names = Array.from({ length: 20 }, (_, index) => hasty.accounts.update(account, { name: `name ${index}` }))
  const changes = [hasty.accounts.setStatus(account, 'FROZEN'), ...names]
  for (const { status, ...settled } of await Promise.allSettled(changes)) {
    expect(status).toBe('rejected')
    expect(settled).toMatchObject({ reason: { code: 'RETRIES_EXHAUSTED', retryable: true } })
  }
  await holder.close()
  await hasty.close()
  expect(await ledgers[0].accounts.find([account])).toMatchObject([{ status: 'OPEN', name: null }])
})

test('a ledger that is closed answers the changes that are under way, and those that wait for them', async () => {
  const [account] = await makeAccounts(ledgers[0], 1)
  const closing = await openBeside(database)
  const holder = await lockAccounts(database, account)
  const changes = [
    closing.accounts.setStatus(account, 'FROZEN'),
    ...['Cold', 'Old', 'Sold'].map((name) => closing.accounts.update(account, { name })),
  ]
  await untilBlocked(database, 2)
  const closed = closing.close()
  await holder.commit()
  await closed
  expect(await Promise.all(changes)).toHaveLength(4)
  expect(await ledgers[0].accounts.find([account])).toMatchObject([{ name: 'Sold', status: 'FROZEN' }])
})

test('a change survives the death of its connection', async () => {
  const [account] = await makeAccounts(ledgers[0], 1)
  const holder = await lockAccounts(database, account)
  const changing = ledgers[0].accounts.setStatus(account, 'FROZEN')
  const renaming = ledgers[0].accounts.update(account, { name: 'Cold' })
  await untilBlocked(database, 2)
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  await holder.commit()
  expect(await changing).toMatchObject({ account: { status: 'FROZEN' } })
  expect(await renaming).toMatchObject({ name: 'Cold' })
})

const newAccount = (values: Partial<NewAccount> = {}): NewAccount => ({
  idempotencyKey: randomUUID(),
  ownerId: null,
  currency: null,
  name: null,
  ...values,
})

test.each(['house', 'owned'])('one key used by two processes at once makes one %s account', async (kind) => {
  const [owner] = await makeAccounts(ledgers[0], 1)
  for (let round = 0; round < ROUNDS; round++) {
    const values = newAccount({ ownerId: kind === 'house' ? null : owner, name: 'first' })
    const other = { ...values, name: 'other', currency: 'EUR' }
    const outcomes = await Promise.all([
      ledgers[0].accounts.create(values),
      ledgers[1].accounts.create(values),
      ledgers[0].accounts.create(other),
      ledgers[1].accounts.create(other),
    ])
    const { rows } = await database.pool.query('select id, name from accounts where idempotency_key = $1', [
      values.idempotencyKey,
    ])
    expect(rows).toHaveLength(1)
    const isFirst = rows[0].name === 'first'
    for (const [index, outcome] of outcomes.entries()) {
      if (index < 2 === isFirst) expect(outcome).toMatchObject({ account: { id: rows[0].id, name: rows[0].name } })
      else expect(outcome).toEqual({ refusal: 'IDEMPOTENCY_CONFLICT', differingFields: ['currency', 'name'] })
    }
  }
})

test('an owner gets no more accounts than the limit, however many calls come at once', async () => {
  const [owner, other] = await makeAccounts(ledgers[0], 2)
  await database.pool.query(
    `insert into accounts (id, owner_id, currency) select gen_random_uuid(), $1, 'USD' from generate_series(1, $2)`,
    [owner, ACCOUNTS_PER_OWNER_MAX - 2],
  )
  // There is space for one more. Its insert waits, so that others can count the accounts meanwhile, if they are let.
  await installStall(database, 'accounts')
  const stalling = await stall(database)
  const calls = Array.from({ length: 20 }, () => newAccount({ ownerId: owner }))
  const creating = calls.map((call, index) => either(index).accounts.create(call))
  await untilBlocked(database, 2)
  await stalling.commit()
  const outcomes = await Promise.all(creating)
  expect(outcomes.filter((outcome) => 'account' in outcome)).toHaveLength(1)
  for (const outcome of outcomes) if (!('account' in outcome)) expect(outcome).toEqual({ refusal: 'TOO_MANY_ACCOUNTS' })
  expect(await ledgers[0].accounts.count({ ownerId: owner }, null)).toBe(ACCOUNTS_PER_OWNER_MAX)
  // The one that was created is answered again, and other owners still have space.
  const repeated = await Promise.all(calls.map((call, index) => either(index + 1).accounts.create(call)))
  expect(repeated).toEqual(outcomes)
  expect(await ledgers[0].accounts.create(newAccount({ ownerId: other }))).toMatchObject({
    account: { ownerId: other },
  })
})

test('accounts are created and frozen beside postings without a deadlock', async () => {
  const accounts = await makeAccounts(ledgers[0], 4, 1_000_000n)
  const posters = startPosters(async (through, turn) => {
    const [source, destination] = [accounts[turn % 4], accounts[(turn + 1 + (turn % 3)) % 4]] as [AccountId, AccountId]
    await through.posting.post(transfer(source, destination, 1n))
  })
  for (let round = 0; round < ROUNDS; round++) {
    const account = accounts[round % 4] as AccountId
    await Promise.all([
      either(round).accounts.setStatus(account, 'FROZEN'),
      either(round + 1).accounts.create(newAccount({ ownerId: account })),
      either(round).accounts.update(account, { name: `round ${round}` }),
      either(round + 1).accounts.setStatus(accounts[(round + 1) % 4] as AccountId, 'OPEN'),
    ])
  }
  await posters.stop()
  const balances = await ledgers[0].balances.current(accounts)
  expect(balances.reduce((sum, { amount }) => sum + amount, 0n)).toBe(4_000_000n)
})
