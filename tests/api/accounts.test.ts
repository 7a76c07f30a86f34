import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Person, signUp } from '../support/rights.ts'
import { type Answer, useServer } from '../support/server.ts'

/* Accounts and currencies through the API, as operators and holders use them. */

const server = useServer()
const uuidOf = (id: string) => id.slice(id.indexOf('_') + 1)
const mainOf = (person: Person) => `account_${uuidOf(person.id)}`

let ada: Person
let grace: Person

beforeAll(async () => {
  ada = await signUp(server, 'ada')
  grace = await signUp(server, 'grace')
})

const ask = (query: string, variables: Record<string, unknown> = {}, person?: Person): Promise<Answer> =>
  person ? server.ask(query, variables, person.authorization) : server.ask(query, variables)

/** The answer of a mutation that takes one input. */
async function send(mutation: string, input: Record<string, unknown>, selection: string, person?: Person) {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input!`
  const query = `mutation ($input: ${type}) { answer: ${mutation}(input: $input) {
    __typename ... on Error { code message retryable } ... on ValidationError { fields { path message } } ${selection} } }`
  const { data, errors } = await ask(query, { input }, person)
  expect(errors).toBeUndefined()
  return data.answer
}

async function createAccount(input: Record<string, unknown>) {
  const selection = '... on CreateAccountSuccess { account { id } }'
  const made = await send('createAccount', { idempotencyKey: randomUUID(), ...input }, selection)
  expect(made.__typename).toBe('CreateAccountSuccess')
  return made.account.id as string
}

const POSTED = `... on PostingSuccess { replayed transaction { id amount currency { code } } entry { change balanceAfter } }
  ... on AccountNotFoundError { accountId } ... on AccountClosedError { account { id status } }`
const deposit = (accountId: string, amount: number, more: object = {}) =>
  send('deposit', { idempotencyKey: randomUUID(), accountId, amount, ...more }, POSTED)
const transfer = (
  sourceAccountId: string,
  destinationAccountId: string,
  amount: number,
  more: object = {},
  by?: Person,
) =>
  send(
    'transfer',
    { idempotencyKey: randomUUID(), sourceAccountId, destinationAccountId, amount, ...more },
    `${POSTED} ... on AccountFrozenError { account { id } } ... on InsufficientFundsError { account { id } available shortfall }
      ... on IdempotencyConflictError { differingFields }`,
    by,
  )
const setStatus = (accountId: string, status: string) =>
  send(
    'setAccountStatus',
    { accountId, status },
    '... on SetAccountStatusSuccess { account { id status } } ... on AccountNotEmptyError { balance { amount currency { code } } }',
  )

describe('accounts, each test after the one before', { shuffle: false }, () => {
  describe('a main account', () => {
    test('is there from the start, in the currency of the ledger, with the UUID of its owner', async () => {
      const newcomer = await signUp(server, 'newcomer')
      const { data } = await ask(
        `{ viewer { id account { id currency { code scale } owner { id email } name publicName status createdAt balance { amount sequence } } } }`,
        {},
        newcomer,
      )
      expect(data.viewer.account).toEqual({
        id: mainOf(newcomer),
        currency: { code: 'USD', scale: 2 },
        owner: { id: newcomer.id, email: newcomer.email },
        name: null,
        publicName: null,
        status: 'OPEN',
        createdAt: expect.stringMatching(/Z$/),
        balance: { amount: '0', sequence: 0 },
      })
    })

    test('may be in another currency, which the operator says when the user is made', async () => {
      const user = await send(
        'createUser',
        { email: `${randomUUID()}@example.com`, currency: 'JPY' },
        '... on CreateUserSuccess { user { id account { currency { code scale } } } }',
      )
      expect(user.user.account).toEqual({ currency: { code: 'JPY', scale: 0 } })
      const unknown = await send('createUser', { email: `${randomUUID()}@example.com`, currency: 'NONE' }, '')
      expect(unknown).toMatchObject({ __typename: 'CurrencyNotFoundError', code: 'CURRENCY_NOT_FOUND' })
      const malformed = await send('createUser', { email: `${randomUUID()}@example.com`, currency: 'jpy' }, '')
      expect(malformed).toMatchObject({ __typename: 'ValidationError', fields: [{ path: 'input.currency' }] })
    })

    test('is named by user_<uuid>, account_<uuid> and the bare UUID alike, and answers say account_<uuid>', async () => {
      const names = [ada.id, mainOf(ada), uuidOf(ada.id), ada.id.toUpperCase()]
      for (const name of names) {
        expect(await deposit(name, 1)).toMatchObject({ entry: { change: '1' } })
        const { data } = await ask(
          `query ($id: ID!) { account(id: $id) { id } balances(accountIds: [$id]) { account { id } }
            accounts(filter: { ownerId: "${uuidOf(ada.id)}" }) { edges { node { id } } }
            failedTransactions(filter: { accountId: $id }) { edges { node { id } } } }`,
          { id: name },
        )
        expect(data.account).toEqual({ id: mainOf(ada) })
        expect(data.balances).toEqual([{ account: { id: mainOf(ada) } }])
      }
      for (const name of names) expect(await transfer(name, grace.id, 1)).toMatchObject({ entry: { change: '-1' } })
      const { data } = await ask(`query ($id: ID!) { node(id: $id) { __typename id } }`, { id: mainOf(ada) })
      expect(data.node).toEqual({ __typename: 'Account', id: mainOf(ada) })
      expect((await ask(`{ node(id: "${ada.id}") { __typename } }`)).data.node).toEqual({ __typename: 'User' })
    })
  })

  describe('createAccount', () => {
    test('makes an account of a user in another currency, which its owner sees and pays from', async () => {
      const id = await createAccount({ ownerId: ada.id, currency: 'EUR', name: '  savings ' })
      expect(await deposit(id, 5_000)).toMatchObject({ transaction: { currency: { code: 'EUR' } } })
      const other = await createAccount({ ownerId: grace.id, currency: 'EUR' })
      const until = async () => {
        for (;;) {
          const { data } = await ask(
            `{ account(id: "${id}") { id name currency { code } balance { amount } } }`,
            {},
            ada,
          )
          if (data.account) return data.account
        }
      }
      expect(await until()).toEqual({ id, name: 'savings', currency: { code: 'EUR' }, balance: { amount: '5000' } })
      expect(await transfer(id, other, 2_000, { currency: 'EUR' }, ada)).toMatchObject({
        entry: { balanceAfter: '3000' },
      })
      const { data } = await ask(
        '{ viewer { accounts { totalCount edges { node { id } } } } accounts { totalCount } }',
        {},
        ada,
      )
      expect(data.viewer.accounts.edges).toEqual([{ node: { id } }, { node: { id: mainOf(ada) } }])
      expect([data.viewer.accounts.totalCount, data.accounts.totalCount]).toEqual([2, 2])
    })

    test('makes an account of the house, which nobody but operators sees', async () => {
      const id = await createAccount({ name: 'fees' })
      const query = `{ account(id: "${id}") { id owner { id } name currency { code } } }`
      expect((await ask(query)).data.account).toEqual({ id, owner: null, name: 'fees', currency: { code: 'USD' } })
      expect((await ask(query, {}, ada)).data.account).toBeNull()
      const { data } = await ask('{ accounts(filter: { house: true, name: "fees" }) { edges { node { id } } } }')
      expect(data.accounts.edges).toEqual([{ node: { id } }])
    })

    test('makes one account for one key, and names what differs', async () => {
      const input = { idempotencyKey: randomUUID(), ownerId: grace.id, currency: 'CHF', name: 'one' }
      const selection =
        '... on CreateAccountSuccess { account { id } } ... on IdempotencyConflictError { differingFields transaction { id } }'
      const first = await send('createAccount', input, selection)
      expect(await send('createAccount', input, selection)).toEqual(first)
      const other = await send('createAccount', { ...input, ownerId: ada.id, currency: 'EUR', name: 'two' }, selection)
      expect(other).toMatchObject({
        __typename: 'IdempotencyConflictError',
        differingFields: ['ownerId', 'currency', 'name'],
        transaction: null,
      })
    })

    test('says which part of the input is wrong', async () => {
      const create = (input: object) => send('createAccount', { idempotencyKey: randomUUID(), ...input }, '')
      expect(await create({ ownerId: randomUUID() })).toMatchObject({ __typename: 'UserNotFoundError' })
      expect(await create({ currency: 'NONE' })).toMatchObject({ __typename: 'CurrencyNotFoundError' })
      for (const [field, value] of [
        ['currency', 'eur'],
        ['currency', 'E'],
        ['ownerId', mainOf(ada)],
        ['name', ''],
        ['name', 'a\u0000b'],
        ['name', 'x'.repeat(101)],
      ]) {
        expect(await create({ [field as string]: value })).toMatchObject({
          __typename: 'ValidationError',
          fields: [{ path: `input.${field}` }],
        })
      }
    })
  })

  describe('names', () => {
    test('the holder gives both, and others see the public one alone', async () => {
      const updated = await send(
        'updateAccount',
        { accountId: ada.id, name: 'daily', publicName: 'Ada L.' },
        '... on UpdateAccountSuccess { account { id name publicName } }',
        ada,
      )
      expect(updated.account).toEqual({ id: mainOf(ada), name: 'daily', publicName: 'Ada L.' })
      await deposit(ada.id, 10)
      await transfer(ada.id, grace.id, 7, {}, ada)
      const { data, errors } = await ask(
        `{ viewer { account { transactions(first: 1) { edges { change account { id } counterparty {
        id publicName name status currency { code } owner { id } createdAt updatedAt balance { amount } } } } } } }`,
        {},
        grace,
      )
      expect(errors).toBeUndefined()
      expect(data.viewer.account.transactions.edges).toEqual([
        {
          change: '7',
          account: { id: mainOf(grace) },
          counterparty: {
            id: mainOf(ada),
            publicName: 'Ada L.',
            name: null,
            status: null,
            currency: null,
            owner: null,
            createdAt: null,
            updatedAt: null,
            balance: null,
          },
        },
      ])
    })

    test('null removes a name, and what is left out stays', async () => {
      const update = (input: object, by?: Person) =>
        send(
          'updateAccount',
          { accountId: grace.id, ...input },
          '... on UpdateAccountSuccess { account { name publicName } } ... on AccountNotFoundError { accountId }',
          by,
        )
      expect((await update({ name: 'one', publicName: 'G' })).account).toEqual({ name: 'one', publicName: 'G' })
      expect((await update({ publicName: 'Grace' }, grace)).account).toEqual({ name: 'one', publicName: 'Grace' })
      expect((await update({ name: null }, grace)).account).toEqual({ name: null, publicName: 'Grace' })
      expect(await update({})).toMatchObject({ __typename: 'ValidationError', fields: [{ path: 'input.name' }] })
      expect(await update({ name: 'mine' }, ada)).toMatchObject({
        __typename: 'AccountNotFoundError',
        accountId: mainOf(grace),
      })
      expect((await update({ name: 'seen' })).account).toEqual({ name: 'seen', publicName: 'Grace' })
    })
  })

  describe('the status', () => {
    test('of a frozen account: nothing goes out, money comes in, and an operator takes it back', async () => {
      const id = await createAccount({ ownerId: ada.id })
      await deposit(id, 100)
      expect((await setStatus(id, 'FROZEN')).account).toEqual({ id, status: 'FROZEN' })
      expect(await transfer(id, grace.id, 1)).toMatchObject({ __typename: 'AccountFrozenError', account: { id } })
      expect(await deposit(id, 1)).toMatchObject({ entry: { balanceAfter: '101' } })
      expect(await transfer(id, grace.id, 101, { ignoreFreeze: true })).toMatchObject({ entry: { balanceAfter: '0' } })
      expect((await setStatus(id, 'OPEN')).account.status).toBe('OPEN')
    })

    test('ignoreFreeze is for operators, and the error names it', async () => {
      const forbidden = await transfer(ada.id, grace.id, 1, { ignoreFreeze: true }, ada)
      expect(forbidden).toMatchObject({ __typename: 'ValidationError', fields: [{ path: 'input.ignoreFreeze' }] })
      const item = (ignoreFreeze: boolean) => ({
        transfer: {
          idempotencyKey: randomUUID(),
          sourceAccountId: ada.id,
          destinationAccountId: grace.id,
          amount: 1,
          ignoreFreeze,
        },
      })
      for (const atomic of [true, false]) {
        const several = await send('postTransactions', { atomic, transactions: [item(false), item(true)] }, '', ada)
        expect(several).toMatchObject({
          __typename: 'ValidationError',
          fields: [{ path: 'input.transactions.1.transfer.ignoreFreeze' }],
        })
      }
    })

    test('only an empty account is closed, and then nothing moves', async () => {
      const id = await createAccount({ ownerId: ada.id, currency: 'EUR' })
      await deposit(id, 5)
      expect(await setStatus(id, 'CLOSED')).toMatchObject({
        __typename: 'AccountNotEmptyError',
        balance: { amount: '5', currency: { code: 'EUR' } },
      })
      const other = await createAccount({ currency: 'EUR' })
      await transfer(id, other, 5)
      expect((await setStatus(id, 'CLOSED')).account).toEqual({ id, status: 'CLOSED' })
      expect(await deposit(id, 1)).toMatchObject({
        __typename: 'AccountClosedError',
        account: { id, status: 'CLOSED' },
      })
      expect(await transfer(other, id, 1)).toMatchObject({ __typename: 'AccountClosedError' })
      expect(await transfer(id, other, 1)).toMatchObject({ __typename: 'AccountClosedError' })
      expect(await setStatus(randomUUID(), 'OPEN')).toMatchObject({ __typename: 'AccountNotFoundError' })
    })

    test('is seen by later fields of the same operation', async () => {
      const id = await createAccount({})
      const { data } = await ask(
        `mutation ($id: ID!) {
        one: setAccountStatus(input: { accountId: $id, status: FROZEN }) { ... on SetAccountStatusSuccess { account { status } } }
        two: updateAccount(input: { accountId: $id, name: "n" }) { ... on UpdateAccountSuccess { account { status name } } }
        three: setAccountStatus(input: { accountId: $id, status: OPEN }) { ... on SetAccountStatusSuccess { account { status name } } } }`,
        { id },
      )
      expect(data).toEqual({
        one: { account: { status: 'FROZEN' } },
        two: { account: { status: 'FROZEN', name: 'n' } },
        three: { account: { status: 'OPEN', name: 'n' } },
      })
      // Also where the account is read anew, and was read before the change.
      const pay = (key: string) =>
        `deposit(input: { idempotencyKey: "${key}", accountId: $id, amount: 1 }) { ... on DepositSuccess { entry { account { status } } } }`
      const { data: seen } = await ask(
        `mutation ($id: ID!) { one: ${pay(randomUUID())}
        two: setAccountStatus(input: { accountId: $id, status: FROZEN }) { __typename } three: ${pay(randomUUID())} }`,
        { id },
      )
      expect([seen.one.entry.account, seen.three.entry.account]).toEqual([{ status: 'OPEN' }, { status: 'FROZEN' }])
    })
  })

  describe('currencies', () => {
    test('two of them never meet in one transaction', async () => {
      const eur = await createAccount({ ownerId: ada.id, currency: 'EUR' })
      await deposit(eur, 10)
      expect(await transfer(eur, grace.id, 1)).toMatchObject({ __typename: 'CurrencyMismatchError' })
      expect(await deposit(eur, 1, { currency: 'USD' })).toMatchObject({ __typename: 'CurrencyMismatchError' })
      expect(await deposit(eur, 1, { currency: 'eur' })).toMatchObject({
        __typename: 'ValidationError',
        fields: [{ path: 'input.currency' }],
      })
      expect(await deposit(eur, 1, { currency: 'EUR' })).toMatchObject({ entry: { balanceAfter: '11' } })
      // Attempts are recorded a moment after they are answered. What was asked for is counted in the payer's currency.
      const recorded = async () => {
        for (;;) {
          const { data } = await ask(
            `{ failedTransactions(filter: { accountId: "${eur}", code: CURRENCY_MISMATCH }) { edges { node {
            amount currency { code } source { id } destination { id } } } } }`,
          )
          if (data.failedTransactions.edges.length === 2) return data.failedTransactions.edges
        }
      }
      expect(await recorded()).toEqual(
        expect.arrayContaining([
          { node: { amount: '1', currency: { code: 'EUR' }, source: { id: eur }, destination: { id: mainOf(grace) } } },
          { node: { amount: '1', currency: { code: 'EUR' }, source: null, destination: { id: eur } } },
        ]),
      )
    })

    test('a key that was used in another currency is a conflict that names it', async () => {
      const idempotencyKey = randomUUID()
      await deposit(ada.id, 10)
      await transfer(ada.id, grace.id, 3, { idempotencyKey, currency: 'USD' })
      expect(await transfer(ada.id, grace.id, 3, { idempotencyKey })).toMatchObject({ replayed: true })
      expect(await transfer(ada.id, grace.id, 3, { idempotencyKey, currency: 'EUR' })).toMatchObject({
        __typename: 'IdempotencyConflictError',
        differingFields: ['currency'],
      })
    })

    test('are listed for everybody, and made by operators', async () => {
      const code = `POINTS_${randomUUID().slice(0, 4).toUpperCase()}`
      const create = (input: Record<string, unknown>) =>
        send(
          'createCurrency',
          input,
          '... on CreateCurrencySuccess { currency { code scale } } ... on CurrencyExistsError { currency { code scale } }',
        )
      expect(await create({ code, scale: 8 })).toMatchObject({ currency: { code, scale: 8 } })
      expect(await create({ code, scale: 2 })).toMatchObject({
        __typename: 'CurrencyExistsError',
        currency: { code, scale: 8 },
      })
      for (const [path, input] of [
        ['input.scale', { code: 'WRONG', scale: 9 }],
        ['input.scale', { code: 'WRONG', scale: -1 }],
        ['input.code', { code: 'wrong', scale: 2 }],
        ['input.code', { code: 'WRONG_IT_IS_TOO_LONG', scale: 2 }],
      ] as const)
        expect(await create(input)).toMatchObject({ __typename: 'ValidationError', fields: [{ path }] })
      const { data } = await ask('{ currencies { code scale } }', {}, ada)
      expect(data.currencies).toEqual(
        expect.arrayContaining([
          { code, scale: 8 },
          { code: 'USD', scale: 2 },
          { code: 'JPY', scale: 0 },
          { code: 'KWD', scale: 3 },
        ]),
      )
      expect(data.currencies.map((currency: { code: string }) => currency.code)).not.toContain('WRONG')
    })

    test('have sums of their own', async () => {
      const krw = await createAccount({ currency: 'KRW' })
      await deposit(krw, 123)
      const { data } = await ask(
        '{ ledger { accountCount userCount totals { currency { code } deposited balances } } }',
      )
      const { totals, accountCount, userCount } = data.ledger
      expect(accountCount).toBeGreaterThan(userCount)
      expect(totals).toContainEqual({ currency: { code: 'KRW' }, deposited: '123', balances: '123' })
      for (const { deposited, balances } of totals) expect(balances).toBe(deposited)
    })
  })

  describe('formatted', () => {
    test('has the digits of the currency, in the language that is asked for', async () => {
      const kwd = await createAccount({ ownerId: grace.id, currency: 'KWD' })
      const other = await createAccount({ currency: 'KWD' })
      await deposit(kwd, 1_234_567)
      await transfer(kwd, other, 1_000)
      const { data, errors } = await ask(
        `query ($id: ID!, $locale: String) { account(id: $id) {
        balance { formatted german: formatted(locale: "de") again: formatted(locale: $locale) }
        transactions(first: 1) { edges { formatted transaction { formatted } } } } }`,
        { id: kwd, locale: null },
      )
      expect(errors).toBeUndefined()
      // ICU writes a no-break space between a code and a number.
      expect(JSON.parse(JSON.stringify(data).replaceAll('\u00a0', ' '))).toEqual({
        account: {
          balance: { formatted: 'KWD 1,233.567', german: '1.233,567 KWD', again: 'KWD 1,233.567' },
          transactions: { edges: [{ formatted: '-KWD 1.000', transaction: { formatted: 'KWD 1.000' } }] },
        },
      })
    })

    test('a locale that is none is named, and takes nothing else with it', async () => {
      for (const locale of ['de_DE!', '', 'x'.repeat(10_000), 'en\u0000']) {
        const { data, errors } = await ask(
          `query ($locale: String) { viewer { account { balance { amount formatted(locale: $locale) } } } }`,
          { locale },
          ada,
        )
        expect(data.viewer.account.balance).toEqual({ amount: expect.any(String), formatted: null })
        expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', fields: [{ path: 'locale' }] } }])
        expect(JSON.stringify(errors).length).toBeLessThan(500)
      }
    })
  })
})
