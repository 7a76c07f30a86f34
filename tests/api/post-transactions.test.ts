import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await openTestServer()
})
afterAll(async () => {
  expect(await verifyLedger(server.database.pool)).toEqual([])
  await server.close()
})

const POST = `mutation ($input: PostTransactionsInput!) {
  postTransactions(input: $input) {
    __typename
    ... on PostTransactionsSuccess {
      results {
        __typename
        ... on PostTransactionSuccess { replayed transaction { id kind amount } entry { sequence change balanceAfter } }
        ... on InsufficientFundsError { available required shortfall }
        ... on AccountNotFoundError { accountId }
        ... on IdempotencyConflictError { differingFields original: transaction { id } }
        ... on Error { code retryable }
      }
    }
    ... on PostingRefusedError { index reason { __typename code ... on InsufficientFundsError { shortfall } ... on IdempotencyConflictError { differingFields } } }
    ... on ValidationError { fields { path message } }
    ... on Error { code message retryable }
  }
}`

const post = (atomic: boolean, ...transactions: object[]) => server.ask(POST, { input: { atomic, transactions } })
const deposit = (accountId: string, amount: number | string, idempotencyKey: string = randomUUID()) => ({
  deposit: { idempotencyKey, accountId, amount },
})
const transfer = (
  sourceAccountId: string,
  destinationAccountId: string,
  amount: number,
  idempotencyKey: string = randomUUID(),
) => ({
  transfer: { idempotencyKey, sourceAccountId, destinationAccountId, amount },
})

async function makeAccounts(count: number): Promise<string[]> {
  const { rows } = await server.database.pool.query(
    `insert into users (id, email) select gen_random_uuid(), gen_random_uuid() || '@example.com' from generate_series(1, $1) returning id`,
    [count],
  )
  return rows.map(({ id }) => `account_${id}`)
}

async function balancesOf(ids: string[]): Promise<string[]> {
  const { data } = await server.ask('query ($ids: [ID!]!) { balances(accountIds: $ids) { amount } }', { ids })
  return data.balances.map(({ amount }: { amount: string }) => amount)
}

const NOBODY = `account_${randomUUID()}`

describe('each by itself', () => {
  test('has a result in its place, judged in order', async () => {
    const [ada, grace] = (await makeAccounts(2)) as [string, string]
    const { data, errors } = await post(
      false,
      transfer(ada, grace, 5),
      deposit(ada, 100),
      transfer(ada, grace, 30),
      transfer(ada, grace, 71),
      transfer(ada, ada, 1),
      deposit(NOBODY, 1),
      deposit(grace, '9223372036854775807'),
    )
    expect(errors).toBeUndefined()
    expect(data.postTransactions.results).toMatchObject([
      { __typename: 'InsufficientFundsError', available: '0', shortfall: '5', code: 'INSUFFICIENT_FUNDS' },
      {
        __typename: 'PostTransactionSuccess',
        replayed: false,
        transaction: { kind: 'DEPOSIT', amount: '100' },
        entry: { sequence: 1, change: '100', balanceAfter: '100' },
      },
      {
        __typename: 'PostTransactionSuccess',
        transaction: { kind: 'TRANSFER' },
        entry: { sequence: 2, change: '-30', balanceAfter: '70' },
      },
      { __typename: 'InsufficientFundsError', available: '70', required: '71', shortfall: '1', retryable: false },
      { __typename: 'SameAccountError' },
      { __typename: 'AccountNotFoundError', accountId: NOBODY },
      { __typename: 'BalanceLimitError' },
    ])
    expect(await balancesOf([ada, grace])).toEqual(['70', '30'])
  })

  test('is a replay or a conflict where its key was used, also in the same call', async () => {
    const [ada] = (await makeAccounts(1)) as [string]
    const key = randomUUID()
    const first = await post(false, deposit(ada, 5, key), deposit(ada, 5, key), deposit(ada, 6, key))
    expect(first.data.postTransactions.results).toMatchObject([
      { replayed: false },
      { replayed: true, entry: { sequence: 1, balanceAfter: '5' } },
      { __typename: 'IdempotencyConflictError', differingFields: ['amount'] },
    ])
    const again = await post(false, deposit(ada, 5, key))
    expect(again.data.postTransactions.results).toMatchObject([{ replayed: true, entry: { balanceAfter: '5' } }])
    expect(await balancesOf([ada])).toEqual(['5'])
  })

  test('fails alone when the server fails', async () => {
    const users = await makeAccounts(3)
    await server.database.pool.query(`
      create function fail_thirteen() returns trigger language plpgsql as $$
        begin if new.amount = 13 then raise exception 'secret' using errcode = '23514'; end if; return new; end $$;
      create trigger fail_thirteen before insert on transactions for each row execute function fail_thirteen()`)
    try {
      const answer = await post(false, ...users.map((user, index) => deposit(user, 12 + index)))
      expect(answer.data.postTransactions.results).toMatchObject([{ replayed: false }, null, { replayed: false }])
      expect(answer.errors).toMatchObject([
        { extensions: { code: 'INTERNAL_SERVER_ERROR' }, path: ['postTransactions', 'results', 1] },
      ])
      expect(JSON.stringify(answer)).not.toMatch(/secret|23514/)
      expect(await balancesOf(users)).toEqual(['12', '0', '14'])
    } finally {
      await server.database.pool.query('drop trigger fail_thirteen on transactions; drop function fail_thirteen')
    }
  })

  test('up to a thousand', async () => {
    const users = await makeAccounts(10)
    const { data } = await post(
      false,
      ...Array.from({ length: 1_000 }, (_, index) => deposit(users[index % 10] as string, 1)),
    )
    expect(data.postTransactions.results).toHaveLength(1_000)
    expect(new Set(await balancesOf(users))).toEqual(new Set(['100']))
  })
})

describe('all or none', () => {
  test('are all posted, each seeing those before it', async () => {
    const [ada, grace, mary] = (await makeAccounts(3)) as [string, string, string]
    const { data } = await post(true, deposit(ada, 10), transfer(ada, grace, 10), transfer(grace, mary, 4))
    expect(data.postTransactions.results).toMatchObject([
      { entry: { change: '10', balanceAfter: '10' } },
      { entry: { change: '-10', balanceAfter: '0' } },
      { entry: { change: '-4', balanceAfter: '6' } },
    ])
    expect(await balancesOf([ada, grace, mary])).toEqual(['0', '6', '4'])
  })

  test('are none when one is refused, which is named; every key stays free', async () => {
    const [ada, grace] = (await makeAccounts(2)) as [string, string]
    const wishes = [deposit(ada, 10), transfer(ada, grace, 7), transfer(ada, grace, 7)]
    const { data, errors } = await post(true, ...wishes)
    expect(errors).toBeUndefined()
    expect(data.postTransactions).toMatchObject({
      __typename: 'PostingRefusedError',
      code: 'INSUFFICIENT_FUNDS',
      retryable: false,
      index: 2,
      reason: { __typename: 'InsufficientFundsError', code: 'INSUFFICIENT_FUNDS', shortfall: '4' },
    })
    expect(await balancesOf([ada, grace])).toEqual(['0', '0'])
    const retried = await post(true, deposit(ada, 100), ...wishes)
    expect(retried.data.postTransactions.results.map(({ replayed }: { replayed: boolean }) => replayed)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })

  test('are replays where they were posted before, and all of them when the call is repeated', async () => {
    const [ada, grace] = (await makeAccounts(2)) as [string, string]
    const before = deposit(ada, 50)
    await post(false, before)
    const wishes = [before, transfer(ada, grace, 20)]
    const replays = async () =>
      (await post(true, ...wishes)).data.postTransactions.results.map(({ replayed }: { replayed: boolean }) => replayed)
    expect(await replays()).toEqual([true, false])
    expect(await replays()).toEqual([true, true])
    expect(await balancesOf([ada, grace])).toEqual(['30', '20'])
  })

  test('are none when one is a conflict', async () => {
    const [ada, grace] = (await makeAccounts(2)) as [string, string]
    const key = randomUUID()
    await post(false, deposit(ada, 50, key))
    const { data } = await post(true, deposit(grace, 1), deposit(ada, 51, key))
    expect(data.postTransactions).toMatchObject({
      __typename: 'PostingRefusedError',
      code: 'IDEMPOTENCY_CONFLICT',
      index: 1,
      reason: { differingFields: ['amount'] },
    })
    expect(await balancesOf([ada, grace])).toEqual(['50', '0'])
  })

  test('may not have one key twice', async () => {
    const [ada] = (await makeAccounts(1)) as [string]
    const key = randomUUID()
    const { data } = await post(true, deposit(ada, 5, key), deposit(ada, 5), deposit(ada, 5, key.toUpperCase()))
    expect(data.postTransactions).toMatchObject({
      __typename: 'ValidationError',
      fields: [{ path: 'input.transactions.2.deposit.idempotencyKey' }],
    })
    expect(await balancesOf([ada])).toEqual(['0'])
  })

  test('may be more than a batch holds', async () => {
    const users = await makeAccounts(3)
    const [hub] = users as [string]
    const { data } = await post(
      true,
      deposit(hub, 998),
      ...Array.from({ length: 998 }, (_, index) => transfer(hub, users[1 + (index % 2)] as string, 1)),
    )
    expect(data.postTransactions.results).toHaveLength(999)
    expect(await balancesOf(users)).toEqual(['0', '499', '499'])
    const { rows } = await server.database.pool.query(
      'select count(distinct recorded_xid)::int as count from transactions where source_account_id = $1',
      [hub.slice('account_'.length)],
    )
    expect(rows[0].count).toBe(1)
  })
})

test('every bad posting of a call is told, by its place', async () => {
  const [ada] = (await makeAccounts(1)) as [string]
  const { data } = await post(false, deposit(ada, 0), deposit(ada, 1), transfer(ada, 'nobody', -5))
  expect(data.postTransactions).toMatchObject({ __typename: 'ValidationError', code: 'VALIDATION' })
  expect(data.postTransactions.fields.map(({ path }: { path: string }) => path).sort()).toEqual([
    'input.transactions.0.deposit.amount',
    'input.transactions.2.transfer.amount',
    'input.transactions.2.transfer.destinationAccountId',
  ])
  expect(await balancesOf([ada])).toEqual(['0'])
})
