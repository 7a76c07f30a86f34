import { randomUUID } from 'node:crypto'
import { PATIENCE_MS } from './patience.ts'
import type { TestServer } from './server.ts'

/**
 * One value as text: JSON, and a GraphQL literal once the keys of objects have lost their quotes. Text, since a JavaScript
 * number could not say 9007199254740993. A value of an enum is written `<DAY>`: quoted in JSON, and bare in a document.
 */
export type Source = string

const ENUM_VALUE = /<([A-Z]+)>/g

/** One field of the schema with good values for its arguments, to be made bad one at a time. */
export interface Operation {
  name: string
  kind: 'query' | 'mutation' | 'subscription'
  field: string
  /** `call` is the field with its arguments and selection. */
  around: (call: string) => string
  selection: string
  arguments: Record<string, { type: string; good?: Source | Record<string, Source> }>
}

export type Form = 'variable' | 'literal'

export interface Verdict {
  status: number
  body: string
  /** The paths of BAD_USER_INPUT or of a ValidationError. */
  paths: string[]
  /** No data, and nothing but refusals of the input. */
  refused: boolean
}

const asLiteral = (source: Source) => source.replace(/"(\w+)":/g, '$1:').replace(ENUM_VALUE, '$1')
const asJson = (source: Source) => source.replace(ENUM_VALUE, '"$1"')

const objectOf = (fields: Record<string, Source>, quote: (name: string) => string) =>
  `{${Object.entries(fields)
    .map(([name, source]) => `${quote(name)}: ${source}`)
    .join(', ')}}`

/** The values of the arguments, with what stands at `path` (as `amount` or `input.amount`) replaced. */
function valuesOf(operation: Operation, path?: string, source?: Source) {
  const [argument, inner] = (path ?? '').split('.')
  return Object.entries(operation.arguments).map(([name, { type, good }]) => {
    if (name !== argument) return { name, type, value: good }
    if (inner === undefined) return { name, type, value: source }
    const { [inner]: _replaced, ...rest } = good as Record<string, Source>
    return { name, type, value: source === undefined ? rest : { ...rest, [inner]: source } }
  })
}

const inJson = (fields: Record<string, Source>): Source => objectOf(fields, JSON.stringify)
const inGraphql = (value: Source | Record<string, Source>): Source =>
  asLiteral(typeof value === 'string' ? value : objectOf(value, String))

/** The body of a request. Without `path`, a good one; without `source`, one where the value at the path is missing. */
export function requestOf(operation: Operation, form: Form, path?: string, source?: Source): string {
  const values = valuesOf(operation, path, source)
  const inList = (items: string[]) => (items.length > 0 ? `(${items.join(', ')})` : '')
  const given =
    form === 'variable'
      ? values.map(({ name }) => `${name}: $${name}`)
      : values.flatMap(({ name, value }) => (value === undefined ? [] : [`${name}: ${inGraphql(value)}`]))
  const declared = form === 'variable' ? values.map(({ name, type }) => `$${name}: ${type}`) : []
  const call = `${operation.field}${inList(given)} ${operation.selection}`
  const query = `${operation.kind}${inList(declared)} ${operation.around(call)}`
  const variables: Record<string, Source> = {}
  for (const { name, value } of form === 'variable' ? values : []) {
    if (value !== undefined) variables[name] = asJson(typeof value === 'string' ? value : inJson(value))
  }
  return inJson({ query: JSON.stringify(query), variables: inJson(variables) })
}

interface Body {
  data?: Record<string, { __typename?: string; fields?: { path: string }[] } | null> | null
  errors?: { extensions?: { code?: string; fields?: { path: string }[] } }[]
}

/** Sends a request as JSON (a subscription for server-sent events) and judges the answer. */
export async function judge(server: TestServer, { kind, field }: Operation, request: string): Promise<Verdict> {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: {
      ...server.authorization,
      'content-type': 'application/json',
      accept: kind === 'subscription' ? 'text/event-stream' : 'application/json',
    },
    body: request,
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  const body = await response.text()
  const json = kind === 'subscription' ? body.match(/^data: (\{.*)$/m)?.[1] : body
  const { data, errors = [] } = JSON.parse(json ?? body) as Body
  const answer = data?.[field]
  const isInvalid = answer?.__typename === 'ValidationError'
  const isBadInput = errors.length > 0 && errors.every(({ extensions }) => extensions?.code === 'BAD_USER_INPUT')
  const paths = [
    ...errors.flatMap(({ extensions }) => extensions?.fields ?? []),
    ...((isInvalid && answer.fields) || []),
  ].map(({ path }) => path)
  return { status: response.status, body, paths, refused: isInvalid !== isBadInput }
}

/** Every field that takes arguments, asked about or done to two users. Ada's main account has one entry. */
export function operationsOn({ ada, grace }: { ada: string; grace: string }): Operation[] {
  const text = JSON.stringify
  const alone = (call: string) => `{ ${call} }`
  const ofUser = (call: string) => `{ user(id: "${ada}") { ${call} } }`
  const ofAda = (call: string) => `{ account(id: "${ada}") { ${call} } }`
  const ofBalance = (call: string) => `{ account(id: "${ada}") { balance { ${call} } } }`
  const ofEntry = (call: string) => `{ account(id: "${ada}") { transactions(first: 1) { edges { ${call} } } } }`
  const ofTransaction = (call: string) =>
    `{ account(id: "${ada}") { transactions(first: 1) { edges { node { ${call} } } } } }`
  const parents = new Map([
    [alone, 'Query'],
    [ofUser, 'User'],
    [ofAda, 'Account'],
    [ofBalance, 'Balance'],
    [ofEntry, 'LedgerEntry'],
    [ofTransaction, 'Transaction'],
  ])
  const edges = '{ pageInfo { hasNextPage } }'
  const outcome = '{ __typename ... on ValidationError { fields { path message } } ... on Error { message } }'
  const page = { first: { type: 'Int' }, last: { type: 'Int' }, after: { type: 'String' }, before: { type: 'String' } }
  const query = (field: string, selection: string, args: Operation['arguments'], around = alone): Operation => ({
    name: `${parents.get(around)}.${field}`,
    kind: 'query',
    field,
    around,
    selection,
    arguments: args,
  })
  const mutation = (field: string, type: string, good: Record<string, Source>): Operation => ({
    name: `Mutation.${field}`,
    kind: 'mutation',
    field,
    around: alone,
    selection: outcome,
    arguments: { input: { type, good } },
  })
  return [
    query('user', '{ id }', { id: { type: 'ID', good: text(ada) }, email: { type: 'String' } }),
    query('users', edges, page),
    query('account', '{ id }', { id: { type: 'ID!', good: text(ada) } }),
    query('accounts', edges, {
      ...page,
      filter: {
        type: 'AccountFilter',
        good: { ownerId: text(ada), house: 'false', name: text('a'), currency: text('USD'), status: '<OPEN>' },
      },
    }),
    query('accounts', edges, page, ofUser),
    query('formatted', '', { locale: { type: 'String', good: text('de') } }, ofBalance),
    query('formatted', '', { locale: { type: 'String', good: text('de') } }, ofEntry),
    query('formatted', '', { locale: { type: 'String', good: text('de') } }, ofTransaction),
    query('balances', '{ amount }', {
      accountIds: { type: '[ID!]!', good: `[${text(ada)}]` },
      asOf: { type: 'DateTime' },
    }),
    query('transaction', '{ id }', { id: { type: 'ID', good: text(ada) }, idempotencyKey: { type: 'UUID' } }),
    query('transactions', edges, {
      ...page,
      filter: {
        type: 'TransactionFilter',
        good: { kind: '<DEPOSIT>', currency: text('USD'), amountMin: '1', from: text('2024-01-01T00:00:00Z') },
      },
    }),
    query('node', '{ id }', { id: { type: 'ID!', good: text(`user_${ada}`) } }),
    query('nodes', '{ id }', { ids: { type: '[ID!]!', good: `[${text(`user_${ada}`)}]` } }),
    query('balance', '{ amount }', { asOf: { type: 'DateTime' } }, ofAda),
    query(
      'transactions',
      edges,
      {
        ...page,
        filter: {
          type: 'LedgerEntryFilter',
          good: {
            direction: '<CREDIT>',
            counterpartyId: text(grace),
            amountMax: '1',
            from: text('2024-01-01T00:00:00Z'),
          },
        },
      },
      ofAda,
    ),
    query(
      'balanceHistory',
      '{ closing }',
      {
        from: { type: 'DateTime!', good: text('2024-01-01T00:00:00Z') },
        to: { type: 'DateTime!', good: text('2024-02-01T00:00:00Z') },
        bucket: { type: 'BalanceBucketSize!', good: '<DAY>' },
        timeZone: { type: 'String', good: text('Europe/Paris') },
      },
      ofAda,
    ),
    mutation('createUser', 'CreateUserInput!', { email: text('mary@example.com'), password: text('correct horse') }),
    mutation('createAccount', 'CreateAccountInput!', {
      idempotencyKey: text(randomUUID()),
      ownerId: text(ada),
      currency: text('EUR'),
      name: text('savings'),
    }),
    mutation('updateAccount', 'UpdateAccountInput!', { accountId: text(ada), name: text('a'), publicName: text('b') }),
    mutation('setAccountStatus', 'SetAccountStatusInput!', { accountId: text(ada), status: '<FROZEN>' }),
    mutation('createCurrency', 'CreateCurrencyInput!', { code: text('POINTS'), scale: '2' }),
    mutation('deposit', 'DepositInput!', {
      idempotencyKey: text(randomUUID()),
      accountId: text(ada),
      amount: '1',
    }),
    mutation('transfer', 'TransferInput!', {
      idempotencyKey: text(randomUUID()),
      sourceAccountId: text(ada),
      destinationAccountId: text(grace),
      amount: '1',
    }),
    query('failedTransactions', edges, {
      ...page,
      filter: {
        type: 'FailedTransactionFilter',
        good: { accountId: text(ada), addressed: 'false' },
      },
    }),
    mutation('postTransactions', 'PostTransactionsInput!', {
      atomic: 'true',
      transactions: `[{"deposit": {"idempotencyKey": ${text(randomUUID())}, "accountId": ${text(ada)}, "amount": 1}}]`,
    }),
    mutation('login', 'LoginInput!', { email: text('mary@example.com'), password: text('correct horse') }),
    mutation('createApiToken', 'CreateApiTokenInput!', {
      name: text('a service'),
      role: '<USER>',
      accountIds: `[${text(`account_${ada}`)}]`,
    }),
    mutation('revokeApiToken', 'RevokeApiTokenInput!', { id: text(randomUUID()) }),
    mutation('addressFailedTransaction', 'AddressFailedTransactionInput!', { id: text(randomUUID()) }),
    {
      name: 'Subscription.entryPosted',
      kind: 'subscription',
      field: 'entryPosted',
      around: alone,
      selection: '{ id }',
      arguments: { accountId: { type: 'ID!', good: text(ada) }, since: { type: 'String' } },
    },
    {
      name: 'Subscription.transactionPosted',
      kind: 'subscription',
      field: 'transactionPosted',
      around: alone,
      selection: '{ cursor }',
      arguments: { since: { type: 'String' } },
    },
  ]
}

/** What is in the database: how many rows each table has. */
export async function countRows({ database: { pool } }: TestServer): Promise<Record<string, number>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
     where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE' order by name`,
  )
  const { rows } = await pool.query<{ name: string; count: number }>(
    tables.map(({ name }) => `select '${name}' as name, count(*)::int as count from ${name}`).join(' union all '),
  )
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
}
