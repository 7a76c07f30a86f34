import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { toAccountId, toTransactionId } from '../../src/db/ids.ts'
import { toInstant } from '../../src/db/instant.ts'
import {
  ACCOUNT_CURSOR,
  FAILED_TRANSACTION_CURSOR,
  TRANSACTION_CURSOR,
  USER_CURSOR,
} from '../../src/ledger/model/cursor.ts'
import { changedEntryCursor, readEntryCursor } from '../support/cursors.ts'
import { useServer } from '../support/server.ts'

/* Cursors that are well made and still not good: of another account, another list, another ledger, or never given out. */

const server = useServer()
/** The cursor of the only entry of each account. */
const cursors: string[] = []

beforeAll(async () => {
  for (const email of ['ada@example.com', 'grace@example.com']) {
    const made = await server.ask(
      `mutation { createUser(input: { email: "${email}" }) { ... on CreateUserSuccess { user { id } } } }`,
    )
    const { data } = await server.ask(
      `mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { entry { cursor } } } }`,
      { input: { idempotencyKey: randomUUID(), accountId: made.data.createUser.user.id, amount: 5 } },
    )
    cursors.push(data.deposit.entry.cursor)
  }
})

/** A cursor of Ada's account, changed. */
const cursorLike = (change: Parameters<typeof changedEntryCursor>[1]) => changedEntryCursor(cursors[0] ?? '', change)

function tampered(change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(cursors[0] ?? '', 'base64url')
  change(bytes)
  return bytes.toString('base64url')
}

const BAD: readonly (readonly [name: string, cursor: () => string, code: string])[] = [
  ['is of another account', () => cursors[1] ?? '', 'BAD_USER_INPUT'],
  [
    'is of an account that does not exist',
    () => cursorLike({ accountId: toAccountId(randomUUID()) }),
    'BAD_USER_INPUT',
  ],
  ['is from before the ledger was restored', () => cursorLike({ era: randomUUID() }), 'CURSOR_EXPIRED'],
  ['is of the list of users', () => USER_CURSOR.encode({ id: randomUUID() }, randomUUID()), 'BAD_USER_INPUT'],
  ['is of another version', () => tampered((bytes) => bytes.writeUInt8(9, 0)), 'BAD_USER_INPUT'],
  ['has a number past 2^53', () => tampered((bytes) => bytes.writeBigUInt64BE(2n ** 53n, 33)), 'BAD_USER_INPUT'],
  ['has a negative number', () => tampered((bytes) => bytes.writeBigInt64BE(-1n, 33)), 'BAD_USER_INPUT'],
  ['is cut short', () => (cursors[0] ?? '').slice(0, -2), 'BAD_USER_INPUT'],
  ['is padded', () => `${cursors[0]}=`, 'BAD_USER_INPUT'],
  ['has a space', () => ` ${cursors[0]}`, 'BAD_USER_INPUT'],
  [
    'is in the other alphabet of base64',
    () => Buffer.alloc(41, 0xff).fill(1, 0, 1).toString('base64'),
    'BAD_USER_INPUT',
  ],
]

test.each(BAD)('a cursor that %s pages no account and resumes no subscription', async (_name, cursor, code) => {
  const { accountId } = readEntryCursor(cursors[0] ?? '')
  for (const argument of ['after', 'before']) {
    const { data, errors } = await server.ask(
      `query ($id: ID!, $cursor: String) { account(id: $id) { transactions(${argument}: $cursor) { edges { cursor } } } }`,
      { id: accountId, cursor: cursor() },
    )
    expect(data).toEqual({ account: { transactions: null } })
    expect(errors?.[0]?.extensions).toMatchObject({ code, fields: [{ path: argument }] })
  }
  const { errors } = await server.ask(
    `subscription ($id: ID!, $cursor: String) { entryPosted(accountId: $id, since: $cursor) { id } }`,
    { id: accountId, cursor: cursor() },
  )
  expect(errors?.[0]?.extensions).toMatchObject({ code, fields: [{ path: 'since' }] })
})

test('a position that the account has not reached resumes no subscription', async () => {
  const { accountId } = readEntryCursor(cursors[0] ?? '')
  const { errors } = await server.ask(
    `subscription ($id: ID!, $cursor: String) { entryPosted(accountId: $id, since: $cursor) { id } }`,
    { id: accountId, cursor: cursorLike({ sequence: 2 }) },
  )
  expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', fields: [{ path: 'since' }] })
})

const LISTS = ['users', 'accounts', 'transactions', 'failedTransactions'] as const

describe.each(LISTS)('the list of %s', (list) => {
  const others = LISTS.filter((other) => other !== list)
  const ofList = (name: typeof list, era = readEntryCursor(cursors[0] ?? '').era) => {
    const id = randomUUID()
    if (name === 'transactions')
      return TRANSACTION_CURSOR.encode(
        { createdAt: toInstant('2026-01-31T23:59:59.000001Z'), id: toTransactionId(id) },
        era,
      )
    const cursorOf = { users: USER_CURSOR, accounts: ACCOUNT_CURSOR, failedTransactions: FAILED_TRANSACTION_CURSOR }
    return cursorOf[name].encode({ id }, era)
  }

  test.each([
    ['of an account', () => cursors[0] ?? '', 'BAD_USER_INPUT'],
    ['of another list', () => ofList(others[0] as typeof list), 'BAD_USER_INPUT'],
    ['of yet another list', () => ofList(others[1] as typeof list), 'BAD_USER_INPUT'],
    ['of the last list', () => ofList(others[2] as typeof list), 'BAD_USER_INPUT'],
    ['from before the ledger was restored', () => ofList(list, randomUUID()), 'CURSOR_EXPIRED'],
  ])('refuses a cursor %s', async (_what, cursor, code) => {
    for (const argument of ['after', 'before']) {
      const { data, errors } = await server.ask(
        `query ($cursor: String) { ${list}(${argument}: $cursor) { __typename } }`,
        { cursor: cursor() },
      )
      expect(data).toEqual({ [list]: null })
      expect(errors?.[0]?.extensions).toMatchObject({ code, fields: [{ path: argument }] })
    }
  })
})

test('no more than one direction is taken at once', async () => {
  for (const field of [
    'users',
    'accounts',
    'transactions',
    `user(id: "${readEntryCursor(cursors[0] ?? '').accountId}") { accounts`,
    `account(id: "${readEntryCursor(cursors[0] ?? '').accountId}") { transactions`,
  ]) {
    const close = field.includes('{') ? '}' : ''
    const { errors } = await server.ask(`{ ${field}(first: 1, last: 1) { __typename } ${close} }`)
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', fields: [{ path: 'first' }] })
  }
})

test('exactly one way to name a user or a transaction is taken', async () => {
  const key = randomUUID()
  for (const call of [
    'user',
    `user(id: "${key}", email: "a@b.c")`,
    'transaction',
    `transaction(id: "${key}", idempotencyKey: "${key}")`,
  ]) {
    const { data, errors } = await server.ask(`{ answer: ${call} { id } }`)
    expect([call, data]).toEqual([call, { answer: null }])
    expect(errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', fields: [{ path: 'id' }] })
  }
})
