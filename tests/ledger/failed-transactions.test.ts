import { randomUUID } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toAccountId, toTransactionId } from '../../src/db/ids.ts'
import type { LedgerOptions } from '../../src/ledger/ledger.ts'
import type { PostingRequest } from '../../src/ledger/model/posting.ts'
import { Attempts, type FailedAttempt } from '../../src/ledger/upkeep/attempts.ts'
import { deposit, failInserts, lockAccounts, openBeside, transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'
import { openProxy } from '../support/proxy.ts'

const { ledger, server } = useLedgerAndServer()

const PAGE = `query ($first: Int, $after: String, $last: Int, $before: String, $filter: FailedTransactionFilter) {
  failedTransactions(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    edges { cursor node { id code message source { id } destination { id } amount idempotencyKey attempts failedAt addressedAt } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}`
const page = async (variables: object) => (await server.ask(PAGE, { ...variables })).data.failedTransactions
const nodes = async (filter: object) =>
  (await page({ first: 100, filter })).edges.map(({ node }: { node: object }) => node)

const rowsOf = async (accountId: string) => {
  const { rows } = await ledger.test.pool.query(
    `select idempotency_key, source_account_id, destination_account_id, amount::int, code, message, attempts, addressed_at,
       failed_at between now() - interval '1 minute' and now() as is_recent
     from private.failed_transactions where $1 in (source_account_id, destination_account_id) order by id`,
    [accountId],
  )
  return rows
}

describe('a failed attempt is recorded', () => {
  test.each([
    ['INSUFFICIENT_FUNDS', ([one, other]: AccountId[]) => transfer(one as AccountId, other as AccountId, 9n)],
    ['SAME_ACCOUNT', ([one]: AccountId[]) => transfer(one as AccountId, one as AccountId, 9n)],
    ['ACCOUNT_NOT_FOUND', ([one]: AccountId[]) => transfer(one as AccountId, toAccountId(randomUUID()), 9n)],
    ['ACCOUNT_NOT_FOUND', ([one]: AccountId[]) => transfer(toAccountId(randomUUID()), one as AccountId, 9n)],
  ])('with its code: %s', async (code, request) => {
    const accounts = await makeAccounts(ledger, 2)
    const asked = request(accounts)
    expect(await ledger.posting.post(asked)).toMatchObject({ refusal: { code } })
    await ledger.attempts.flush()
    expect(await rowsOf(accounts[0] as string)).toEqual([
      {
        idempotency_key: asked.idempotencyKey,
        source_account_id: asked.sourceAccountId,
        destination_account_id: asked.destinationAccountId,
        amount: 9,
        code,
        message: expect.stringMatching(/\.$/),
        attempts: 1,
        addressed_at: null,
        is_recent: true,
      },
    ])
  })

  test('when its key is taken by another payload, and when a user is not known to anybody', async () => {
    const [one] = await makeAccounts(ledger, 1)
    const first = deposit(one, 5n)
    await ledger.posting.post(first)
    await ledger.posting.post({ ...first, amount: toAmount(6n) })
    const nobody = toAccountId(randomUUID())
    await ledger.posting.post(deposit(nobody, 5n))
    await ledger.attempts.flush()
    expect(await rowsOf(one)).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT', amount: 6 }])
    expect(await rowsOf(nobody)).toMatchObject([{ code: 'ACCOUNT_NOT_FOUND' }])
  })

  test('of an atomic call: the one that was refused', async () => {
    const [one, other] = await makeAccounts(ledger, 2)
    await ledger.posting.postTogether([deposit(one, 5n), transfer(one, other, 9n), deposit(one, 1n)])
    await ledger.attempts.flush()
    expect(await rowsOf(one)).toMatchObject([{ code: 'INSUFFICIENT_FUNDS', amount: 9 }])
  })

  test('when it is given up, with how often it was tried', async () => {
    const [one] = await makeAccounts(ledger, 1)
    const injected = await failInserts(ledger.test, '40001', 1_000)
    await expect(ledger.posting.post(deposit(one, 5n))).rejects.toMatchObject({ code: 'RETRIES_EXHAUSTED' })
    await injected.remove()
    await ledger.attempts.flush()
    expect(await rowsOf(one)).toMatchObject([{ code: 'RETRIES_EXHAUSTED', attempts: 10 }])
  })

  test('when the account stayed locked', async () => {
    const [one] = await makeAccounts(ledger, 1)
    const hasty = await openBeside(ledger.test, { operationDeadlineMs: 300 })
    const holder = await lockAccounts(ledger.test, one)
    await expect(hasty.posting.post(deposit(one, 5n))).rejects.toMatchObject({ code: 'RETRIES_EXHAUSTED' })
    await hasty.close()
    await holder.close()
    expect(await rowsOf(one)).toMatchObject([{ code: 'RETRIES_EXHAUSTED' }])
  })

  test('when the server is at fault', async () => {
    const [one] = await makeAccounts(ledger, 1)
    const injected = await failInserts(ledger.test, '23514', 1)
    await expect(ledger.posting.post(deposit(one, 5n))).rejects.toThrow()
    await injected.remove()
    await ledger.attempts.flush()
    expect(await rowsOf(one)).toMatchObject([{ code: 'INTERNAL_SERVER_ERROR', attempts: 1 }])
  })

  test('but not when it succeeded, nor when it is a replay', async () => {
    const [one] = await makeAccounts(ledger, 1)
    const request = deposit(one, 5n)
    await ledger.posting.post(request)
    await ledger.posting.post(request)
    await ledger.attempts.flush()
    expect(await rowsOf(one)).toEqual([])
  })

  test('but not when its outcome is unknown', async () => {
    const proxy = await openProxy(ledger.test.url)
    const through = await openBeside(ledger.test, { url: proxy.url, operationDeadlineMs: 500 })
    const cut = proxy.inject('before', /^commit/, 1, { thenRefuse: true })
    let account = toAccountId('')
    let failure: unknown
    // On a busy machine the time may be over before it comes to COMMIT.
    while (cut.left() > 0) {
      account = (await makeAccounts(ledger, 1))[0]
      failure = await through.posting.post(deposit(account, 5n)).catch((error) => error)
    }
    expect(failure).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    proxy.refuse(false)
    await through.close()
    await proxy.close()
    expect(await rowsOf(account)).toEqual([])
  })
})

describe('what one submitter has recorded is bounded', () => {
  test('in an hour: more are counted, reported once, and not recorded; others are not affected', async () => {
    const [one, other] = await makeAccounts(ledger, 2)
    const errors: unknown[] = []
    const bounded = await openBeside(ledger.test, {
      failedTransactionsPerHourMax: 3,
      onError: (error) => errors.push(error),
    })
    for (let amount = 1n; amount <= 10n; amount++) {
      expect(await bounded.posting.post(transfer(one, other, amount), 'one')).toMatchObject({ refusal: {} })
    }
    expect(await bounded.posting.post(transfer(other, one, 1n), 'other')).toMatchObject({ refusal: {} })
    await bounded.attempts.flush()
    expect((await rowsOf(one)).map(({ amount }) => amount)).toEqual([1, 2, 3, 1])
    expect(bounded.attempts).toMatchObject({ skipped: 7, lost: 0 })
    expect(errors).toMatchObject([{ name: 'AttemptsSkippedError' }])
    await bounded.close()
  })

  test('in what waits to be written: one that fills its share loses its own, and nobody else loses any', async () => {
    const [one, other] = await makeAccounts(ledger, 2)
    const attempts = new Attempts(ledger.database, () => {}, 100_000)
    const attempt = (request: PostingRequest): FailedAttempt => ({
      posting: { ...request, id: toTransactionId(randomUUID()) },
      code: 'INSUFFICIENT_FUNDS',
      message: 'Not enough.',
      attempts: 1,
    })
    for (let count = 0; count < 20_000; count++) attempts.record(attempt(transfer(one, other, 1n)), 'one')
    for (let count = 0; count < 100; count++) attempts.record(attempt(transfer(other, other, 1n)), 'other')
    await attempts.flush()
    expect(attempts.lost).toBe(15_000)
    expect(await rowsOf(other)).toHaveLength(5_100)
    // What was written makes room.
    attempts.record(attempt(transfer(one, one, 2n)), 'one')
    await attempts.flush()
    expect(attempts.lost).toBe(15_000)
  })
})

describe('where the record cannot be written', () => {
  const openBroken = async (options: Partial<LedgerOptions> = {}) => {
    const errors: unknown[] = []
    const beside = await openBeside(ledger.test, { onError: (error) => errors.push(error), ...options })
    return { beside, errors }
  }

  test('the caller is told the true error all the same, and the loss is counted', async () => {
    const [one, other] = await makeAccounts(ledger, 2)
    const { beside, errors } = await openBroken()
    await ledger.test.pool.query('alter table private.failed_transactions rename to away')
    try {
      expect(await beside.posting.post(transfer(one, other, 5n))).toMatchObject({
        refusal: { code: 'INSUFFICIENT_FUNDS' },
      })
      await beside.attempts.flush()
      expect(beside.attempts.lost).toBe(1)
      expect(errors).toMatchObject([{ name: 'AttemptsLostError' }])
    } finally {
      await ledger.test.pool.query('alter table private.away rename to failed_transactions')
    }
    expect(await beside.posting.post(transfer(one, other, 6n))).toMatchObject({ refusal: {} })
    await beside.close()
    expect(await rowsOf(one)).toMatchObject([{ amount: 6 }])
  })

  test('for a while, it waits, and postings do not', async () => {
    const [one, other] = await makeAccounts(ledger, 2, 100n)
    const { beside } = await openBroken()
    const client = await ledger.test.pool.connect()
    await client.query('begin; lock table private.failed_transactions in access exclusive mode')
    expect(await beside.posting.post(transfer(one, other, 500n))).toMatchObject({ refusal: {} })
    for (let count = 0; count < 20; count++) {
      expect(await beside.posting.post(transfer(one, other, 1n))).toMatchObject({ posted: {} })
    }
    await client.query('commit')
    client.release()
    await beside.attempts.flush()
    expect(await rowsOf(one)).toMatchObject([{ amount: 500 }])
    await beside.close()
  })
})

describe('failedTransactions', () => {
  test('are paged newest first, and filtered by account, code and whether somebody has seen to them', async () => {
    const [one, other] = await makeAccounts(ledger, 2)
    const nobody = toAccountId(randomUUID())
    for (let amount = 1n; amount <= 5n; amount++) await ledger.posting.post(transfer(one, other, amount))
    await ledger.posting.post(transfer(one, one, 6n))
    await ledger.posting.post(deposit(nobody, 7n))
    await ledger.attempts.flush()
    const accountId = `account_${one}`
    const all = await nodes({ accountId })
    expect(all.map(({ amount }: { amount: string }) => amount)).toEqual(['6', '5', '4', '3', '2', '1'])
    expect(all[1]).toMatchObject({
      id: expect.stringMatching(/^attempt_[0-9a-f-]{36}$/),
      code: 'INSUFFICIENT_FUNDS',
      source: { id: accountId },
      destination: { id: `account_${other}` },
      attempts: 1,
      addressedAt: null,
    })
    expect(await nodes({ accountId: nobody })).toMatchObject([{ source: null, destination: null, amount: '7' }])
    expect(await nodes({ accountId, code: 'SAME_ACCOUNT' })).toMatchObject([{ amount: '6' }])
    expect(await nodes({ accountId, code: 'RETRIES_EXHAUSTED' })).toEqual([])

    const seen: string[] = []
    for (let after: string | null = null, more = true; more; ) {
      const { edges, pageInfo } = await page({ first: 2, after, filter: { accountId } })
      expect(pageInfo.hasPreviousPage).toBe(after !== null)
      seen.push(...edges.map(({ node }: { node: { amount: string } }) => node.amount))
      after = pageInfo.endCursor
      more = pageInfo.hasNextPage
    }
    expect(seen).toEqual(['6', '5', '4', '3', '2', '1'])
    const { edges } = await page({ last: 2, filter: { accountId, code: 'INSUFFICIENT_FUNDS' } })
    expect(edges.map(({ node }: { node: { amount: string } }) => node.amount)).toEqual(['2', '1'])
  })

  test('are marked as seen to, once and for all', async () => {
    const [one] = await makeAccounts(ledger, 1)
    await ledger.posting.post(transfer(one, one, 1n))
    await ledger.posting.post(transfer(one, one, 2n))
    await ledger.attempts.flush()
    const [, { id }] = await nodes({ accountId: one })
    const address = (id: string) =>
      server.ask(
        `mutation ($id: ID!) { addressFailedTransaction(input: { id: $id }) { __typename
          ... on AddressFailedTransactionSuccess { failedTransaction { id addressedAt } } ... on Error { code } } }`,
        { id },
      )
    const { data } = await address(id)
    const { addressedAt } = data.addressFailedTransaction.failedTransaction
    expect(addressedAt).toMatch(/Z$/)
    expect((await address(id.replace('attempt_', ''))).data).toEqual(data)
    expect(await nodes({ accountId: one, addressed: true })).toMatchObject([{ id, addressedAt, amount: '1' }])
    expect(await nodes({ accountId: one, addressed: false })).toMatchObject([{ amount: '2' }])
    expect(
      (await server.ask('query ($id: ID!) { node(id: $id) { id ... on FailedTransaction { amount } } }', { id })).data,
    ).toEqual({
      node: { id, amount: '1' },
    })
    expect((await address(randomUUID())).data.addressFailedTransaction).toEqual({
      __typename: 'FailedTransactionNotFoundError',
      code: 'FAILED_TRANSACTION_NOT_FOUND',
    })
  })

  test('are there a moment after the answer', async () => {
    const [one] = await makeAccounts(ledger, 1)
    const transferToSelf = `mutation ($input: TransferInput!) { transfer(input: $input) { ... on Error { code } } }`
    const input = { idempotencyKey: randomUUID(), sourceAccountId: one, destinationAccountId: one, amount: 5 }
    expect((await server.ask(transferToSelf, { input })).data).toEqual({ transfer: { code: 'SAME_ACCOUNT' } })
    await vi.waitFor(async () => expect(await nodes({ accountId: one })).toHaveLength(1), { interval: 10 })
  })
})
