import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import {
  countRows,
  type Form,
  judge,
  type Operation,
  operationsOn,
  requestOf,
  type Source,
} from '../support/bad-input.ts'
import {
  CANARY,
  NO_ACCOUNT_ID,
  NO_ACCOUNT_IDS,
  NO_ACCOUNT_IDS_ALONE,
  NO_AMOUNT,
  NO_AMOUNT_OF_POSTING,
  NO_ATTEMPT_ID,
  NO_BOOLEAN,
  NO_BUCKET,
  NO_CURRENCY,
  NO_CURSOR,
  NO_DATE_TIME,
  NO_DIRECTION,
  NO_EMAIL,
  NO_FAILURE_CODE,
  NO_INPUT,
  NO_KEY,
  NO_KIND,
  NO_LOCALE,
  NO_LOGIN_PASSWORD,
  NO_MOMENT,
  NO_NAME,
  NO_NODE_ID,
  NO_NODE_IDS,
  NO_PAGE_SIZE,
  NO_PASSWORD,
  NO_ROLE,
  NO_SCALE,
  NO_STATUS,
  NO_TIME_ZONE,
  NO_TRANSACTION_ID,
  NO_TRANSACTIONS,
  NO_USER_ID,
  TOO_MANY_TRANSACTIONS,
  text,
  UUID,
} from '../support/bad-values.ts'
import { signInOperator } from '../support/operator.ts'
import { useServer } from '../support/server.ts'

/* Every argument of every field, with every kind of value that it must not take, as a variable and as a literal. */

const server = useServer()
let rows: Record<string, number>

const ids = { ada: randomUUID(), grace: randomUUID() }
const operations = operationsOn(ids)

beforeAll(async () => {
  // Tokens are made by somebody who is signed in.
  server.authorization = { authorization: `Bearer ${await signInOperator(server.database)}` }
  await server.database.pool.query(
    `insert into users (id, email) values ($1, 'ada@example.com'), ($2, 'grace@example.com')`,
    [ids.ada, ids.grace],
  )
  await server.ask(`mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${ids.ada}", amount: 500 }) {
    __typename } }`)
  rows = await countRows(server)
})

/** Where a bad value can stand, and what is bad there. */
const PLACES: readonly (readonly [operation: string, path: string, bad: Source[]])[] = [
  ['Query.user', 'id', NO_USER_ID],
  ['Query.user', 'email', NO_EMAIL],
  ['Query.transaction', 'id', NO_TRANSACTION_ID],
  ['Query.transaction', 'idempotencyKey', NO_KEY],
  ['Query.node', 'id', [...NO_NODE_ID, 'null']],
  ['Query.nodes', 'ids', NO_NODE_IDS],
  ['Query.account', 'id', [...NO_ACCOUNT_ID, 'null']],
  ['Query.accounts', 'filter', NO_INPUT.filter((source) => source !== 'null')],
  ['Query.accounts', 'filter.ownerId', [...NO_USER_ID, text(`account_${UUID}`)]],
  ['Query.accounts', 'filter.house', NO_BOOLEAN],
  ['Query.accounts', 'filter.name', NO_NAME],
  ['Query.accounts', 'filter.currency', NO_CURRENCY],
  ['Query.accounts', 'filter.status', NO_STATUS],
  ['Query.transactions', 'filter.currency', NO_CURRENCY],
  ...['Balance.formatted', 'LedgerEntry.formatted', 'Transaction.formatted'].map(
    (operation) => [operation, 'locale', NO_LOCALE] as const,
  ),
  ['Query.balances', 'accountIds', NO_ACCOUNT_IDS],
  ['Query.balances', 'asOf', NO_MOMENT],
  ['Account.balance', 'asOf', NO_MOMENT],
  ['Account.balanceHistory', 'from', [...NO_MOMENT, 'null']],
  ['Account.balanceHistory', 'to', [...NO_DATE_TIME, 'null']],
  ['Account.balanceHistory', 'bucket', [...NO_BUCKET, 'null']],
  ['Account.balanceHistory', 'timeZone', NO_TIME_ZONE],
  ['Account.transactions', 'filter', NO_INPUT.filter((source) => source !== 'null')],
  ['Account.transactions', 'filter.direction', NO_DIRECTION],
  ['Account.transactions', 'filter.counterpartyId', NO_ACCOUNT_ID],
  ...['Query.transactions', 'Account.transactions'].flatMap((operation) => [
    [operation, 'filter.kind', NO_KIND] as const,
    [operation, 'filter.amountMin', NO_AMOUNT] as const,
    [operation, 'filter.amountMax', NO_AMOUNT] as const,
    [operation, 'filter.from', NO_DATE_TIME] as const,
    [operation, 'filter.to', NO_DATE_TIME] as const,
  ]),
  ...[
    'Query.users',
    'Query.accounts',
    'User.accounts',
    'Query.transactions',
    'Query.failedTransactions',
    'Account.transactions',
  ].flatMap((operation) => [
    [operation, 'first', NO_PAGE_SIZE] as const,
    [operation, 'last', NO_PAGE_SIZE] as const,
    [operation, 'after', NO_CURSOR] as const,
    [operation, 'before', NO_CURSOR] as const,
  ]),
  ['Mutation.createUser', 'input', NO_INPUT],
  ['Mutation.createUser', 'input.email', [...NO_EMAIL, 'null']],
  ['Mutation.createUser', 'input.password', NO_PASSWORD],
  ['Mutation.createUser', 'input.role', NO_ROLE],
  ['Mutation.createUser', 'input.currency', NO_CURRENCY],
  ['Mutation.createAccount', 'input', NO_INPUT],
  ['Mutation.createAccount', 'input.idempotencyKey', [...NO_KEY, 'null']],
  ['Mutation.createAccount', 'input.ownerId', [...NO_USER_ID, text(`account_${UUID}`)]],
  ['Mutation.createAccount', 'input.currency', NO_CURRENCY],
  ['Mutation.createAccount', 'input.name', NO_NAME],
  ['Mutation.updateAccount', 'input', NO_INPUT],
  ['Mutation.updateAccount', 'input.accountId', [...NO_ACCOUNT_ID, 'null']],
  ['Mutation.updateAccount', 'input.name', NO_NAME],
  ['Mutation.updateAccount', 'input.publicName', NO_NAME],
  ['Mutation.setAccountStatus', 'input', NO_INPUT],
  ['Mutation.setAccountStatus', 'input.accountId', [...NO_ACCOUNT_ID, 'null']],
  ['Mutation.setAccountStatus', 'input.status', [...NO_STATUS, 'null']],
  ['Mutation.createCurrency', 'input', NO_INPUT],
  ['Mutation.createCurrency', 'input.code', [...NO_CURRENCY, 'null']],
  ['Mutation.createCurrency', 'input.scale', [...NO_SCALE, 'null']],
  ['Mutation.deposit', 'input', NO_INPUT],
  ['Mutation.deposit', 'input.currency', NO_CURRENCY],
  ['Mutation.transfer', 'input.currency', NO_CURRENCY],
  ['Mutation.transfer', 'input.ignoreFreeze', NO_BOOLEAN],
  ['Mutation.deposit', 'input.idempotencyKey', [...NO_KEY, 'null']],
  ['Mutation.deposit', 'input.accountId', [...NO_ACCOUNT_ID, 'null']],
  ['Mutation.deposit', 'input.amount', [...NO_AMOUNT_OF_POSTING, 'null']],
  ['Mutation.transfer', 'input', NO_INPUT],
  ['Mutation.transfer', 'input.idempotencyKey', [...NO_KEY, 'null']],
  ['Mutation.transfer', 'input.sourceAccountId', [...NO_ACCOUNT_ID, 'null']],
  ['Mutation.transfer', 'input.destinationAccountId', [...NO_ACCOUNT_ID, 'null']],
  ['Mutation.transfer', 'input.amount', [...NO_AMOUNT_OF_POSTING, 'null']],
  ['Query.failedTransactions', 'filter.accountId', NO_ACCOUNT_ID],
  ['Query.failedTransactions', 'filter.code', NO_FAILURE_CODE],
  ['Query.failedTransactions', 'filter.addressed', NO_BOOLEAN],
  ['Mutation.postTransactions', 'input', NO_INPUT],
  ['Mutation.postTransactions', 'input.atomic', [...NO_BOOLEAN, 'null']],
  ['Mutation.postTransactions', 'input.transactions', NO_TRANSACTIONS],
  ['Mutation.login', 'input', NO_INPUT],
  ['Mutation.login', 'input.email', [...NO_EMAIL, 'null']],
  ['Mutation.login', 'input.password', [...NO_LOGIN_PASSWORD, 'null']],
  ['Mutation.createApiToken', 'input', NO_INPUT],
  ['Mutation.createApiToken', 'input.name', ['null', '""', '5', '{}', text(CANARY.repeat(20))]],
  ['Mutation.createApiToken', 'input.role', NO_ROLE.concat('null')],
  ['Mutation.createApiToken', 'input.accountIds', [...NO_ACCOUNT_IDS_ALONE, '[]']],
  ['Mutation.createApiToken', 'input.expiresAt', NO_DATE_TIME],
  ['Mutation.revokeApiToken', 'input', NO_INPUT],
  [
    'Mutation.revokeApiToken',
    'input.id',
    [...NO_USER_ID.map((source) => source.replaceAll('user_', 'token_')), 'null'],
  ],
  ['Mutation.addressFailedTransaction', 'input', NO_INPUT],
  ['Mutation.addressFailedTransaction', 'input.id', [...NO_ATTEMPT_ID, 'null']],
  ['Subscription.entryPosted', 'accountId', [...NO_ACCOUNT_ID, 'null']],
  ['Subscription.entryPosted', 'since', NO_CURSOR],
  ['Subscription.transactionPosted', 'since', NO_CURSOR],
]

/** Bad in one form alone: a number has all its digits in a document, and an enum value has no quotes there. */
const IN_ONE_FORM: readonly (readonly [operation: string, path: string, form: Form, bad: Source[]])[] = [
  ['Mutation.postTransactions', 'input.transactions', 'variable', TOO_MANY_TRANSACTIONS],
  ['Mutation.deposit', 'input.amount', 'variable', ['9007199254740993', '9223372036854775807']],
  ['Mutation.transfer', 'input.amount', 'variable', ['9007199254740993', '9223372036854775807']],
  ['Mutation.deposit', 'input.amount', 'literal', ['1e3', '1.0', CANARY.replace('-', '_'), '"""\n+5"""']],
  ['Mutation.createUser', 'input.role', 'literal', [text('USER'), 'ADMIN', 'user', CANARY.replace('-', '_')]],
  ['Mutation.createUser', 'input.email', 'variable', [`"${CANARY}\\ud800@example.com"`]],
  ['Query.users', 'first', 'literal', ['1.0', '1e1']],
]

const CASES = [
  ...PLACES.flatMap(([operation, path, bad]) =>
    (['variable', 'literal'] as const).map((form) => [operation, path, form, bad] as const),
  ),
  ...IN_ONE_FORM,
]

const operationNamed = (name: string) => operations.find((operation) => operation.name === name) as Operation

/** What was sent, as it would look in an answer; short or common texts would be there anyway. */
const marksOf = (source: Source) => [CANARY, source.replace(/^"|"$/g, '')].filter((mark) => mark.length >= 5)

test.each(CASES)('%s refuses what is no %s, as a %s', async (operation, path, form, bad) => {
  const answers = bad.map(async (source) => {
    const verdict = await judge(
      server,
      operationNamed(operation),
      requestOf(operationNamed(operation), form, path, source),
    )
    const namesPlace = verdict.paths.some((at) => at === path || at.startsWith(`${path}.`))
    const repeats = marksOf(source).some((mark) => verdict.body.includes(mark))
    const isSound = verdict.refused && verdict.status < 500 && namesPlace && !repeats
    return isSound ? [] : [{ source: source.slice(0, 80), ...verdict }]
  })
  expect((await Promise.all(answers)).flat()).toEqual([])
})

test.each(['variable', 'literal'] as const)(
  'the same operations with good values are answered, as a %s',
  async (form) => {
    for (const operation of operations.filter(({ kind }) => kind === 'query')) {
      const { status, body } = await judge(server, operation, requestOf(operation, form))
      expect([operation.name, status, JSON.parse(body).errors]).toEqual([operation.name, 200, undefined])
    }
  },
)

test('a required value that is missing is refused by the name of its field', async () => {
  const required = [
    ['Query.balances', 'accountIds'],
    ['Query.account', 'id'],
    ['Query.node', 'id'],
    ['Query.nodes', 'ids'],
    ['Account.balanceHistory', 'from'],
    ['Account.balanceHistory', 'to'],
    ['Account.balanceHistory', 'bucket'],
    ['Subscription.entryPosted', 'accountId'],
    ['Mutation.createUser', 'input.email'],
    ['Mutation.deposit', 'input.amount'],
    ['Mutation.deposit', 'input.accountId'],
    ['Mutation.deposit', 'input.idempotencyKey'],
    ['Mutation.createAccount', 'input.idempotencyKey'],
    ['Mutation.setAccountStatus', 'input.status'],
    ['Mutation.createCurrency', 'input.scale'],
    ['Mutation.transfer', 'input.sourceAccountId'],
    ['Mutation.transfer', 'input.destinationAccountId'],
    ['Mutation.transfer', 'input'],
  ] as const
  for (const [name, path] of required) {
    const operation = operationNamed(name)
    const asVariable = await judge(server, operation, requestOf(operation, 'variable', path))
    expect(asVariable, name).toMatchObject({ refused: true, paths: [path.split('.')[0]] })
    expect(asVariable.body).toContain(path.split('.').at(-1))
    const asLiteral = await judge(server, operation, requestOf(operation, 'literal', path))
    expect(asLiteral.body, name).toContain(path.split('.').at(-1))
    expect([asLiteral.status, asLiteral.body.includes('"data":')], name).toEqual([200, false])
  }
})

test('an unknown input field is refused, and its value is not repeated', async () => {
  for (const name of ['Mutation.createUser', 'Mutation.deposit', 'Mutation.transfer']) {
    for (const form of ['variable', 'literal'] as const) {
      const verdict = await judge(
        server,
        operationNamed(name),
        requestOf(operationNamed(name), form, 'input.balance', text(CANARY)),
      )
      expect(verdict, `${name} ${form}`).toMatchObject({ refused: true })
      expect(verdict.paths.join()).toMatch(/^input/)
      expect(verdict.body).not.toContain(CANARY)
    }
  }
})

test('what breaks a rule between two values is refused by the name of one', async () => {
  const ofAda = (call: string) => `{ account(id: "${ids.ada}") { call: ${call} { __typename } } }`
  const day = '2024-05-06T00:00:00Z'
  const cases: [query: string, path: string, extensions?: object][] = [
    [ofAda(`balanceHistory(from: "2024-05-06T00:00:00.000001Z", to: "${day}", bucket: DAY)`), 'from'],
    [ofAda(`balanceHistory(from: "2024-01-01T00:00:00Z", to: "${day}", bucket: HOUR)`), 'bucket'],
    [ofAda(`balanceHistory(from: "0001-01-01T00:00:00Z", to: "9999-12-31T23:59:59Z", bucket: MONTH)`), 'bucket'],
    [
      ofAda('balanceHistory(from: "2999-01-01T00:00:00Z", to: "2999-01-02T00:00:00Z", bucket: DAY)'),
      'from',
      { now: expect.stringMatching(/^20\d\d-.*Z$/) },
    ],
    [ofAda('balance(asOf: "2999-01-01T00:00:00Z")'), 'asOf', { now: expect.stringMatching(/^20\d\d-.*Z$/) }],
    [ofAda('transactions(filter: { amountMin: 2, amountMax: 1 })'), 'filter.amountMin'],
    [ofAda(`transactions(filter: { from: "2024-05-06T00:00:00.000001Z", to: "${day}" })`), 'filter.from'],
    [ofAda('transactions(first: 1, last: 1)'), 'first'],
    [ofAda('transactions(first: 101)'), 'first'],
    [
      '{ call: transactions(filter: { amountMin: "9223372036854775807", amountMax: -1 }) { __typename } }',
      'filter.amountMin',
    ],
    [`{ call: transactions(filter: { from: "2025-01-01T00:00:00Z", to: "${day}" }) { __typename } }`, 'filter.from'],
  ]
  for (const [query, path, extensions = {}] of cases) {
    const { data, errors } = await server.ask(query)
    expect(errors, query).toHaveLength(1)
    expect(errors?.[0]?.extensions, query).toMatchObject({ code: 'BAD_USER_INPUT', fields: [{ path }], ...extensions })
    // It takes no other answer with it.
    expect((data.account ?? data).call).toBeNull()
  }
})

test('all that is wrong is told at once', async () => {
  const { data } = await server.ask(
    `mutation ($input: TransferInput!) { transfer(input: $input) { ... on ValidationError { code retryable message fields { path message } } } }`,
    { input: { idempotencyKey: UUID, sourceAccountId: CANARY, destinationAccountId: '', amount: '0' } },
  )
  expect(data.transfer).toMatchObject({ code: 'VALIDATION', retryable: false })
  expect(data.transfer.fields.map(({ path }: { path: string }) => path)).toEqual([
    'input.sourceAccountId',
    'input.destinationAccountId',
    'input.amount',
  ])
})

test('a bad request is no news for the log', () => {
  expect(server.errorLines()).toEqual([])
})

test('nothing was written', async () => {
  expect(await countRows(server)).toEqual(rows)
})
