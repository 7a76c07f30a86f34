import { randomUUID } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { verifyLedger } from '../../src/ledger/upkeep/verify.ts'
import { countRows } from '../support/bad-input.ts'
import { type Answer, useServer } from '../support/server.ts'

const server = useServer()

afterEach(async () => {
  expect(await verifyLedger(server.database.pool)).toEqual([])
  expect(server.errorLines()).toEqual([])
})

const ERROR = `... on Error { code message retryable } ... on AccountNotFoundError { accountId } ... on IdempotencyConflictError { differingFields recorded: transaction { id } }`
const POSTED = `replayed transaction { id kind amount idempotencyKey createdAt source { id } destination { id } }
  entry { id cursor sequence direction change balanceAfter createdAt node { id } transaction { id } }`

async function deposit(input: Record<string, unknown>) {
  const answer = await server.ask(
    `mutation ($input: DepositInput!) { deposit(input: $input) { __typename ${ERROR} ... on DepositSuccess { ${POSTED} } } }`,
    { input },
  )
  return dataOf(answer).deposit
}

async function transfer(input: Record<string, unknown>) {
  const answer = await server.ask(
    `mutation ($input: TransferInput!) { transfer(input: $input) { __typename ${ERROR}
      ... on InsufficientFundsError { available required shortfall } ... on TransferSuccess { ${POSTED} } } }`,
    { input },
  )
  return dataOf(answer).transfer
}

function dataOf({ data, errors }: Answer) {
  expect(errors).toBeUndefined()
  return data
}

/** Makes a user with so many cents. Returns the id of the main account. */
async function makeAccount(cents = 0): Promise<string> {
  const answer = await server.ask(
    'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { account { id } } } } }',
    { email: `${randomUUID()}@example.com` },
  )
  const { id } = dataOf(answer).createUser.user.account
  if (cents > 0) await deposit({ idempotencyKey: randomUUID(), accountId: id, amount: cents })
  return id
}

/** How many rows each table has, but for the record of failed attempts, which follows a moment later. */
async function countPosted(): Promise<Record<string, number>> {
  const { 'private.failed_transactions': _recorded, ...rows } = await countRows(server)
  return rows
}

test('a deposit answers with the entry of who was paid, and a repeat with the same one', async () => {
  const accountId = await makeAccount()
  const input = { idempotencyKey: randomUUID(), accountId, amount: '9007199254740993' }
  const first = await deposit(input)
  expect(first).toMatchObject({
    __typename: 'DepositSuccess',
    replayed: false,
    transaction: { kind: 'DEPOSIT', amount: '9007199254740993', source: null, destination: { id: accountId } },
    entry: {
      id: `${accountId.replace('account', 'entry')}_1`,
      sequence: 1,
      direction: 'CREDIT',
      change: '9007199254740993',
      balanceAfter: '9007199254740993',
      createdAt: first.transaction.createdAt,
      node: { id: first.transaction.id },
      transaction: { id: first.transaction.id },
    },
  })
  await deposit({ ...input, idempotencyKey: randomUUID() })
  expect(await deposit(input)).toEqual({ ...first, replayed: true })
})

test('a transfer answers with the entry of who pays, and a repeat with the same one', async () => {
  const [sourceAccountId, destinationAccountId] = [await makeAccount(500), await makeAccount()]
  const input = { idempotencyKey: randomUUID(), sourceAccountId, destinationAccountId, amount: 120 }
  const first = await transfer(input)
  expect(first).toMatchObject({
    __typename: 'TransferSuccess',
    replayed: false,
    transaction: {
      kind: 'TRANSFER',
      amount: '120',
      source: { id: sourceAccountId },
      destination: { id: destinationAccountId },
    },
    entry: { sequence: 2, direction: 'DEBIT', change: '-120', balanceAfter: '380' },
  })
  await transfer({ ...input, idempotencyKey: randomUUID() })
  expect(await transfer(input)).toEqual({ ...first, replayed: true })
})

test('a key, and an id, in another spelling is the same one', async () => {
  const [sourceAccountId, destinationAccountId] = [await makeAccount(500), await makeAccount()]
  const input = { idempotencyKey: randomUUID(), sourceAccountId, destinationAccountId, amount: 1 }
  const first = await transfer(input)
  const again = await transfer({
    idempotencyKey: input.idempotencyKey.toUpperCase(),
    sourceAccountId: sourceAccountId.toUpperCase(),
    destinationAccountId: destinationAccountId.slice('account_'.length).toUpperCase(),
    amount: '1',
  })
  expect(again).toEqual({ ...first, replayed: true })
  expect(first.transaction.idempotencyKey).toBe(input.idempotencyKey)
})

test('one account in two spellings cannot pay itself', async () => {
  const id = await makeAccount(500)
  const bare = id.slice('account_'.length)
  const ofUser = `user_${bare}`
  const before = await countPosted()
  for (const [sourceAccountId, destinationAccountId] of [
    [id, id],
    [id, bare],
    [bare.toUpperCase(), id],
    [id.toUpperCase(), bare],
    [id, ofUser],
    [ofUser, bare],
  ]) {
    const answer = await transfer({ idempotencyKey: randomUUID(), sourceAccountId, destinationAccountId, amount: 1 })
    expect(answer).toMatchObject({ __typename: 'SameAccountError', code: 'SAME_ACCOUNT', retryable: false })
  }
  expect(await countPosted()).toEqual(before)
})

test('an account that does not exist neither pays nor is paid', async () => {
  const id = await makeAccount(500)
  const nobody = `account_${randomUUID()}`
  const before = await countPosted()
  const idempotencyKey = randomUUID()
  const expected = { __typename: 'AccountNotFoundError', code: 'ACCOUNT_NOT_FOUND', accountId: nobody }
  expect(await deposit({ idempotencyKey, accountId: nobody, amount: 1 })).toMatchObject(expected)
  const ways = [
    { sourceAccountId: nobody, destinationAccountId: id },
    { sourceAccountId: id, destinationAccountId: nobody },
  ]
  for (const way of ways) expect(await transfer({ idempotencyKey, ...way, amount: 1 })).toMatchObject(expected)
  expect(await countPosted()).toEqual(before)
})

test('who holds too little pays nothing, and the key stays free', async () => {
  const [sourceAccountId, destinationAccountId] = [await makeAccount(99), await makeAccount()]
  const input = { idempotencyKey: randomUUID(), sourceAccountId, destinationAccountId, amount: 100 }
  expect(await transfer(input)).toMatchObject({
    __typename: 'InsufficientFundsError',
    available: '99',
    required: '100',
    shortfall: '1',
  })
  await deposit({ idempotencyKey: randomUUID(), accountId: sourceAccountId, amount: 1 })
  expect(await transfer(input)).toMatchObject({ replayed: false, entry: { balanceAfter: '0', sequence: 3 } })
})

test('no balance passes 2^63-1, and one may reach it', async () => {
  const accountId = await makeAccount(1)
  const most = (2n ** 63n - 2n).toString()
  const over = { idempotencyKey: randomUUID(), accountId, amount: (2n ** 63n - 1n).toString() }
  expect(await deposit(over)).toMatchObject({ __typename: 'BalanceLimitError', code: 'BALANCE_LIMIT' })
  const reached = await deposit({ idempotencyKey: randomUUID(), accountId, amount: most })
  expect(reached.entry.balanceAfter).toBe((2n ** 63n - 1n).toString())
  const other = await makeAccount(1)
  const pay = { idempotencyKey: randomUUID(), sourceAccountId: other, destinationAccountId: accountId, amount: 1 }
  expect(await transfer(pay)).toMatchObject({ __typename: 'BalanceLimitError' })
})

test('a key with another payload is a conflict that names what differs', async () => {
  const [ada, grace, mary] = [await makeAccount(500), await makeAccount(500), await makeAccount()]
  const input = { idempotencyKey: randomUUID(), sourceAccountId: ada, destinationAccountId: grace, amount: 7 }
  const { transaction } = await transfer(input)
  const conflict = (differingFields: string[]) => ({
    __typename: 'IdempotencyConflictError',
    code: 'IDEMPOTENCY_CONFLICT',
    retryable: false,
    differingFields,
    recorded: { id: transaction.id },
  })
  const before = await countPosted()
  expect(await transfer({ ...input, amount: 8 })).toMatchObject(conflict(['amount']))
  expect(await transfer({ ...input, destinationAccountId: mary })).toMatchObject(conflict(['destinationAccountId']))
  expect(await transfer({ ...input, sourceAccountId: grace, destinationAccountId: ada, amount: 8 })).toMatchObject(
    conflict(['sourceAccountId', 'destinationAccountId', 'amount']),
  )
  const { idempotencyKey } = input
  expect(await deposit({ idempotencyKey, accountId: mary, amount: 7 })).toMatchObject(conflict(['kind', 'accountId']))
  expect(await deposit({ idempotencyKey, accountId: grace, amount: 7 })).toMatchObject(conflict(['kind']))
  expect(await countPosted()).toEqual(before)
})
