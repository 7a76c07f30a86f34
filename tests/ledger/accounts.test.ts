import { randomUUID } from 'node:crypto'
import { drizzle } from 'drizzle-orm/node-postgres'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type AccountId, accountOfUser, toAccountId } from '../../src/db/ids.ts'
import { countStatements, type StatementCount } from '../../src/db/statement-count.ts'
import type { Account } from '../../src/ledger/model/account.ts'
import type { NewAccount } from '../../src/ledger/model/account-changes.ts'
import type { IdPosition } from '../../src/ledger/model/id-page.ts'
import type { PageRequest } from '../../src/ledger/model/page-request.ts'
import { readAccountCounts } from '../../src/ledger/statements/read-account-counts.ts'
import { readPagesOfOwners } from '../../src/ledger/statements/read-pages-of-owners.ts'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { deposit, transfer } from '../support/faults.ts'
import { makeAccounts, openTestLedger, type TestLedger } from '../support/ledger.ts'

let ledger: TestLedger

beforeAll(async () => {
  ledger = await openTestLedger()
})

afterAll(async () => {
  expect(await verifyLedger(ledger.test.pool)).toEqual([])
  expect(ledger.errors).toEqual([])
  await ledger.close()
})

const newAccount = (values: Partial<NewAccount> = {}): NewAccount => ({
  idempotencyKey: randomUUID(),
  ownerId: null,
  currency: null,
  name: null,
  ...values,
})

async function create(values: Partial<NewAccount> = {}): Promise<Account> {
  const created = await ledger.accounts.create(newAccount(values))
  if ('refusal' in created) throw new Error(created.refusal)
  return created.account
}

async function makeUser(): Promise<string> {
  const user = await ledger.users.create({ email: `${randomUUID()}@example.com`, passwordHash: null, role: 'USER' })
  return (user as { id: string }).id
}

const nobody = () => randomUUID()

describe('an account', () => {
  test('is made with its user, has the id of its user, and is in the currency of the ledger', async () => {
    const ownerId = await makeUser()
    const [main] = await ledger.accounts.find([accountOfUser(ownerId)])
    expect(main).toEqual({
      id: ownerId,
      ownerId,
      currency: { code: 'USD', scale: 2 },
      name: null,
      publicName: null,
      status: 'OPEN',
      createdAt: expect.any(String),
      updatedAt: main?.createdAt,
    })
  })

  test('is made for a user or for the house, in any currency, with a name', async () => {
    const ownerId = await makeUser()
    const savings = await create({ ownerId, currency: 'JPY', name: 'Savings' })
    expect(savings).toMatchObject({ ownerId, currency: { code: 'JPY', scale: 0 }, name: 'Savings', status: 'OPEN' })
    expect(savings.id > ownerId).toBe(true)
    const fees = await create({ currency: 'KWD' })
    expect(fees).toMatchObject({ ownerId: null, currency: { code: 'KWD', scale: 3 }, name: null })
    const unknown = toAccountId(nobody())
    expect(await ledger.accounts.find([fees.id, unknown, savings.id, fees.id])).toEqual([
      fees,
      undefined,
      savings,
      fees,
    ])
  })

  test('is not made for nobody, nor in a currency that does not exist', async () => {
    const before = await ledger.accounts.count({}, null)
    expect(await ledger.accounts.create(newAccount({ ownerId: nobody(), currency: 'XXX' }))).toEqual({
      refusal: 'USER_NOT_FOUND',
    })
    for (const currency of ['XXX', 'usd', '']) {
      expect(await ledger.accounts.create(newAccount({ currency }))).toEqual({ refusal: 'CURRENCY_NOT_FOUND' })
    }
    expect(await ledger.accounts.count({}, null)).toBe(before)
  })

  test('is made once for a key: a repeat returns it as it is now, and another payload is a conflict', async () => {
    const ownerId = await makeUser()
    const values = newAccount({ ownerId, currency: 'EUR', name: 'Travel' })
    const account = await create(values)
    expect(await ledger.accounts.create(values)).toEqual({ account })
    const conflict = (changes: Partial<NewAccount>) => ledger.accounts.create({ ...values, ...changes })
    expect(await conflict({ name: 'Fun' })).toEqual({ refusal: 'IDEMPOTENCY_CONFLICT', differingFields: ['name'] })
    expect(await conflict({ ownerId: null, currency: null, name: null })).toEqual({
      refusal: 'IDEMPOTENCY_CONFLICT',
      differingFields: ['ownerId', 'currency', 'name'],
    })
    // A key is judged before anything else.
    expect(await conflict({ ownerId: nobody(), currency: 'XXX' })).toEqual({
      refusal: 'IDEMPOTENCY_CONFLICT',
      differingFields: ['ownerId', 'currency'],
    })
    const renamed = await ledger.accounts.update(account.id, { name: 'Holidays' })
    expect(await ledger.accounts.create(values)).toEqual({ account: renamed })
    expect(await conflict({ currency: 'USD' })).toEqual({
      refusal: 'IDEMPOTENCY_CONFLICT',
      differingFields: ['currency'],
    })
  })

  test('in no named currency is a repeat of one in the currency of the ledger', async () => {
    const values = newAccount({ currency: null })
    const account = await create(values)
    expect(await ledger.accounts.create({ ...values, currency: 'USD' })).toEqual({ account })
  })

  test('is renamed: what is left out stays, null removes', async () => {
    const account = await create({ name: 'Fees' })
    const named = await ledger.accounts.update(account.id, { publicName: 'The House' })
    expect(named).toEqual({ ...account, publicName: 'The House', updatedAt: named?.updatedAt })
    expect((named as Account).updatedAt > account.updatedAt).toBe(true)
    expect(await ledger.accounts.update(account.id, {})).toEqual(named)
    expect(await ledger.accounts.update(account.id, { name: 'Fees', publicName: 'The House' })).toEqual(named)
    expect(await ledger.accounts.update(account.id, { name: null })).toMatchObject({
      name: null,
      publicName: 'The House',
    })
    expect(await ledger.accounts.update(toAccountId(nobody()), { name: 'x' })).toBeUndefined()
  })
})

describe('the status of an account', () => {
  test('moves freely between all three, and a change to the same changes nothing', async () => {
    const account = await create()
    let before = account
    for (const status of ['FROZEN', 'CLOSED', 'FROZEN', 'OPEN', 'CLOSED', 'OPEN'] as const) {
      const changed = await ledger.accounts.setStatus(account.id, status)
      expect(changed).toMatchObject({ account: { ...account, status, updatedAt: expect.any(String) } })
      if (!('account' in changed)) throw new Error('refused')
      expect(changed.account.updatedAt > before.updatedAt).toBe(true)
      expect(await ledger.accounts.setStatus(account.id, status)).toEqual(changed)
      before = changed.account
    }
    const unknown = toAccountId(nobody())
    expect(await ledger.accounts.setStatus(unknown, 'OPEN')).toEqual({ refusal: 'ACCOUNT_NOT_FOUND' })
  })

  test('frozen: nothing goes out, money comes in, and what ignores the freeze goes out', async () => {
    const [account, other] = await makeAccounts(ledger, 2, 100n)
    await ledger.accounts.setStatus(account, 'FROZEN')
    const out = transfer(account, other, 10n)
    const refusal = { code: 'ACCOUNT_FROZEN', accountId: account }
    expect(await ledger.posting.post(out)).toEqual({ refusal })
    expect(await ledger.posting.post(transfer(other, account, 10n))).toMatchObject({ posted: { replayed: false } })
    expect(await ledger.posting.post(deposit(account, 10n))).toMatchObject({ posted: { replayed: false } })
    expect(await ledger.posting.post({ ...out, ignoreFreeze: true })).toMatchObject({ posted: { replayed: false } })
    // It is not part of the payload.
    expect(await ledger.posting.post(out)).toMatchObject({ posted: { replayed: true } })
    await ledger.accounts.setStatus(account, 'OPEN')
    expect(await ledger.posting.post(transfer(account, other, 1n))).toMatchObject({ posted: { replayed: false } })
  })

  test('closed: nothing moves, whoever asks; only an empty account can be closed', async () => {
    const [account, other] = await makeAccounts(ledger, 2, 100n)
    const balance = { accountId: account, amount: 100n, sequence: 1, asOf: expect.any(String) }
    expect(await ledger.accounts.setStatus(account, 'CLOSED')).toEqual({ refusal: 'ACCOUNT_NOT_EMPTY', balance })
    expect(await ledger.accounts.find([account])).toMatchObject([{ status: 'OPEN' }])
    const all = transfer(account, other, 100n)
    await ledger.posting.post(all)
    await ledger.accounts.setStatus(account, 'CLOSED')
    const refusal = { code: 'ACCOUNT_CLOSED', accountId: account }
    for (const posting of [deposit(account, 1n), transfer(other, account, 1n), transfer(account, other, 1n)]) {
      expect(await ledger.posting.post(posting)).toEqual({ refusal })
      expect(await ledger.posting.post({ ...posting, ignoreFreeze: true })).toEqual({ refusal })
    }
    expect(await ledger.posting.post(all)).toMatchObject({ posted: { replayed: true } })
  })
})

test('no money moves between two currencies, nor in another one than it was said to be in', async () => {
  const [dollars] = await makeAccounts(ledger, 1, 100n)
  const euros = (await create({ currency: 'EUR' })).id
  const refusal = { code: 'CURRENCY_MISMATCH' }
  expect(await ledger.posting.post(transfer(dollars, euros, 1n))).toEqual({ refusal })
  for (const currency of ['USD', 'eur']) {
    expect(await ledger.posting.post({ ...deposit(euros, 1n), currency })).toEqual({ refusal })
  }
  const said = { ...deposit(euros, 100n), currency: 'EUR' }
  expect(await ledger.posting.post(said)).toMatchObject({ posted: { replayed: false } })
  expect(await ledger.posting.post({ ...said, currency: null })).toMatchObject({ posted: { replayed: true } })
  expect(await ledger.posting.post({ ...said, currency: 'USD' })).toMatchObject({
    refusal: { code: 'IDEMPOTENCY_CONFLICT', differingFields: ['currency'] },
  })
})

test('a currency is made once and stays as it is', async () => {
  const before = await ledger.currencies.all()
  expect(before).toContainEqual({ code: 'USD', scale: 2 })
  expect(before.map(({ code }) => code)).toEqual(before.map(({ code }) => code).toSorted())
  const points = { code: 'POINTS_1', scale: 0 }
  expect(await ledger.currencies.create(points)).toEqual({ created: true })
  expect(await ledger.currencies.create({ ...points, scale: 8 })).toEqual({ existing: points })
  expect(await ledger.currencies.create({ code: 'JPY', scale: 2 })).toEqual({ existing: { code: 'JPY', scale: 0 } })
  expect(await ledger.currencies.all()).toEqual(
    [...before, points].toSorted((one, other) => (one.code < other.code ? -1 : 1)),
  )
  expect(await create({ currency: 'POINTS_1' })).toMatchObject({ currency: points })
})

/** The page of a list, newest first, as it must be. */
function plainPage(ids: readonly string[], { first, last, after, before }: PageRequest<IdPosition>) {
  const window = ids.filter((id) => (!after || id < after.id) && (!before || id > before.id))
  const rows = last === undefined ? window.slice(0, first) : last === 0 ? [] : window.slice(-last)
  const [newest, oldest] = [rows[0], rows.at(-1)]
  if (newest !== undefined && oldest !== undefined) {
    return { ids: rows, hasNewer: newest !== ids[0], hasOlder: oldest !== ids.at(-1) }
  }
  return last === undefined
    ? {
        ids: rows,
        hasNewer: ids.some((id) => after && id >= after.id),
        hasOlder: ids.some((id) => !after || id < after.id),
      }
    : {
        ids: rows,
        hasNewer: ids.some((id) => !before || id > before.id),
        hasOlder: ids.some((id) => before && id <= before.id),
      }
}

const idsOf = ({ rows, ...ends }: { rows: Account[]; hasNewer: boolean; hasOlder: boolean }) => ({
  ids: rows.map(({ id }) => id),
  ...ends,
})

describe('the accounts of', () => {
  let owners: string[]
  /** Newest first. */
  let owned: Map<string, AccountId[]>
  let house: AccountId[]
  const ownedBy = (ownerId: string) => owned.get(ownerId) ?? []

  beforeAll(async () => {
    owners = await Promise.all([makeUser(), makeUser(), makeUser()])
    owned = new Map(owners.map((ownerId) => [ownerId, [accountOfUser(ownerId)]]))
    for (const [index, ownerId] of [...owners.slice(1), owners[2], owners[2], owners[2]].entries()) {
      const name = `account ${index}`
      ownedBy(ownerId as string).unshift((await create({ ownerId: ownerId as string, name, currency: 'CHF' })).id)
    }
    house = [await create({ name: 'fees' }), await create({ name: 'Fees' })].map(({ id }) => id).reverse()
    await ledger.accounts.setStatus(house[0] as AccountId, 'FROZEN')
  })

  /** Every kind of page, at every place in the list and beside it. */
  const requestsFor = (ids: readonly string[]): PageRequest<IdPosition>[] => {
    const places = [undefined, ...ids.map((id) => ({ id })), { id: randomUUID() }]
    return [0, 1, 2, 3, 10].flatMap((size) =>
      places.flatMap((after) =>
        places.flatMap((before) => [
          { first: size, after, before },
          { last: size, after, before },
        ]),
      ),
    )
  }

  test('each owner are a page of their own, and one statement reads all pages', async () => {
    const half = new Set(owners.flatMap((ownerId) => ownedBy(ownerId).filter((_, index) => index % 2 === 0)))
    const askers = [null, half, new Set<AccountId>()]
    const asked = [...owners, nobody()].flatMap((ownerId) =>
      askers.flatMap((held) =>
        requestsFor(ownedBy(ownerId)).map((request) => ({
          ownerId,
          held,
          request,
          expected: plainPage(
            ownedBy(ownerId).filter((id) => held === null || held.has(id)),
            request,
          ),
        })),
      ),
    )
    const count: StatementCount = { statements: 0 }
    const pages = await countStatements(count, () => ledger.accounts.pagesOfOwners(asked))
    expect(count.statements).toBe(1)
    for (const [index, { expected, ...request }] of asked.entries()) {
      expect({ ...request, page: idsOf(pages[index] as (typeof pages)[number]) }).toEqual({
        ...request,
        page: expected,
      })
    }
    const [ownerId] = owners.slice(2) as [string]
    const [page] = await ledger.accounts.pagesOfOwners([{ ownerId, held: null, request: { first: 10 } }])
    expect(page?.rows).toEqual(await ledger.accounts.find(ownedBy(ownerId)))
    expect(page?.rows.at(-1)?.id).toBe(ownerId)
    expect(await ledger.accounts.pagesOfOwners([])).toEqual([])
  })

  test('each owner are counted, in one statement', async () => {
    const held = new Set([accountOfUser(owners[2] as string), ...house])
    const asked = [
      ...owners.map((ownerId) => ({ ownerId, held: null })),
      { ownerId: owners[2] as string, held },
      { ownerId: owners[1] as string, held },
      { ownerId: nobody(), held: null },
    ]
    const count: StatementCount = { statements: 0 }
    expect(await countStatements(count, () => ledger.accounts.countsOfOwners(asked))).toEqual([1, 2, 5, 1, 0, 0])
    expect(count.statements).toBe(1)
    const repeated = [...asked, ...asked.toReversed()]
    expect(await ledger.accounts.countsOfOwners(repeated)).toEqual([1, 2, 5, 1, 0, 0, 0, 0, 1, 5, 2, 1])
  })

  test('one owner, asked for with each of their accounts, are read once', async () => {
    const ownerId = owners[2] as string
    const held = new Set(ownedBy(ownerId))
    const request = { first: 2 }
    const one = { ownerId, held, request }
    const others = [
      { ...one, held: new Set(held) },
      { ...one, request: { last: 2 } },
      { ...one, request: { first: 2, after: { id: ownedBy(ownerId)[0] as string } } },
    ]
    const pages = await ledger.accounts.pagesOfOwners([one, ...others, { ...one, request: { ...request } }])
    expect(pages.map(({ rows }) => rows.map(({ id }) => id))).toEqual([
      ownedBy(ownerId).slice(0, 2),
      ownedBy(ownerId).slice(0, 2),
      ownedBy(ownerId).slice(-2),
      ownedBy(ownerId).slice(1, 3),
      ownedBy(ownerId).slice(0, 2),
    ])
    expect(pages.at(-1)).toBe(pages[0])
  })

  test.each([
    ['pages', readPagesOfOwners],
    ['counts', readAccountCounts],
  ])('a viewer holds are looked up in a hash table, for %s too', async (_name, prepare) => {
    const client = await ledger.test.pool.connect()
    onTestFinished(() => client.release(true))
    const { sql, params } = prepare(drizzle(client)).getQuery()
    const nothing = params.map(() => "'{}'").join()
    for (const mode of ['force_generic_plan', 'force_custom_plan']) {
      await client.query(`set plan_cache_mode = ${mode}; prepare explained as ${sql}`)
      const { rows } = await client.query(`explain execute explained (${nothing})`)
      await client.query('deallocate explained')
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(plan).toMatch(/hashed SubPlan/)
      expect(plan).not.toMatch(/= ANY/)
    }
  })

  test('fifty owners with ten each are one statement', async () => {
    const fifty = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const ownerId = await makeUser()
        for (let index = 0; index < 9; index++) await create({ ownerId })
        return ownerId
      }),
    )
    const count: StatementCount = { statements: 0 }
    const request = { first: 10 }
    const pages = await countStatements(count, () =>
      ledger.accounts.pagesOfOwners(fifty.map((ownerId) => ({ ownerId, held: null, request }))),
    )
    expect(count.statements).toBe(1)
    for (const [index, { rows, hasNewer, hasOlder }] of pages.entries()) {
      expect([rows.length, hasNewer, hasOlder]).toEqual([10, false, false])
      expect(new Set(rows.map(({ ownerId }) => ownerId))).toEqual(new Set([fifty[index]]))
    }
  })

  test('the whole ledger come in pages, and those of a viewer in their own', async () => {
    const { rows: all } = await ledger.test.pool.query('select id from accounts order by id desc')
    const everyId: string[] = all.map(({ id }) => id)
    for (const request of [{ first: 5 }, { last: 5 }, { first: 3, after: { id: everyId[4] as string } }]) {
      expect(idsOf(await ledger.accounts.page(request, {}, null))).toEqual(plainPage(everyId, request))
    }
    expect(await ledger.accounts.count({}, null)).toBe(everyId.length)
    const held = ownedBy(owners[2] as string)
    for (const request of requestsFor(held)) {
      expect(idsOf(await ledger.accounts.page(request, {}, held))).toEqual(plainPage(held, request))
    }
    expect(await ledger.accounts.count({}, held)).toBe(held.length)
    expect(idsOf(await ledger.accounts.page({ first: 5 }, {}, []))).toEqual(plainPage([], { first: 5 }))
  })

  test('a filter are those that match all of it', async () => {
    const held = [...owners.flatMap(ownedBy), ...house]
    const find = async (filter: Parameters<typeof ledger.accounts.page>[1]) => {
      const { rows } = await ledger.accounts.page({ first: 100 }, filter, held)
      expect(await ledger.accounts.count(filter, held)).toBe(rows.length)
      return rows.map(({ id }) => id)
    }
    const others = (ownerId: string) => ownedBy(ownerId).slice(0, -1)
    expect(await find({ ownerId: owners[2] })).toEqual(ownedBy(owners[2] as string))
    expect(await find({ house: true })).toEqual(house)
    expect(new Set(await find({ house: false }))).toEqual(new Set(owners.flatMap(ownedBy)))
    expect(await find({ house: true, ownerId: owners[2] })).toEqual([])
    expect(await find({ name: 'fees' })).toEqual([house[1]])
    expect(await find({ status: 'FROZEN' })).toEqual([house[0]])
    expect(await find({ status: 'OPEN', house: true })).toEqual([house[1]])
    expect(await find({ currency: 'CHF', ownerId: owners[2] })).toEqual(others(owners[2] as string))
    expect(await find({ currency: 'chf' })).toEqual([])
    expect(await find({ ownerId: null, house: null, name: null, currency: null, status: null })).toEqual(
      held.toSorted().reverse(),
    )
  })
})
