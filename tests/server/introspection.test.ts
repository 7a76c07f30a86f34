import { type GraphQLArgument, getIntrospectionQuery, isEnumType } from 'graphql'
import { describe, expect, test } from 'vitest'
import { schema } from '../../src/schema/index.ts'
import { useFolder } from '../support/folder.ts'
import { PRODUCTION } from '../support/production.ts'
import { useServers } from '../support/server.ts'
import { TRANSPORTS } from '../support/transports.ts'

/* What a server tells of its schema, in development and in production. */

/** An empty NODE_ENV counts as none: there is demo data, and the token of its operator in the folder. */
const DEVELOPMENT = { NODE_ENV: '', DATA_DIR: useFolder() }
const servers = useServers({
  development: DEVELOPMENT,
  production: PRODUCTION,
  opened: { ...PRODUCTION, GRAPHIQL: 'on', INTROSPECTION: 'on' },
})

const MODES = ['development', 'production'] as const

const pageOf = (mode: keyof typeof servers, headers: Record<string, string> = {}) =>
  fetch(servers[mode].endpoint, { headers: { accept: 'text/html', ...headers } })

describe.each(MODES)('in %s', (mode) => {
  const isOpen = mode === 'development'

  test(`GraphiQL is ${isOpen ? 'on' : 'off'}`, async () => {
    const page = await pageOf(mode)
    expect(page.status).toBe(isOpen ? 200 : 406)
    expect((await page.text()).includes('<html')).toBe(isOpen)
  })

  test.each(TRANSPORTS)(`introspection is ${isOpen ? 'on' : 'off'} over $transport`, async ({ ask }) => {
    for (const query of [
      getIntrospectionQuery(),
      '{ __schema { queryType { name } } }',
      '{ a: __type(name: "User") { name } }',
    ]) {
      const { data, errors } = await ask(servers[mode], { query }, null)
      if (isOpen) expect([errors, data]).toEqual([undefined, expect.anything()])
      else
        expect([data ?? null, errors?.[0]?.message]).toEqual([
          null,
          expect.stringMatching(/introspection has been disabled/),
        ])
    }
    expect((await ask(servers[mode], { query: '{ __typename }' }, null)).data).toEqual({ __typename: 'Query' })
  })

  test.each(TRANSPORTS)(
    `names that would have been right are ${isOpen ? 'offered' : 'not offered'} over $transport`,
    async ({ transport, ask }) => {
      const wrong = [
        { query: '{ usr { id } }' },
        { query: '{ user(emial: "x") { id } }' },
        { query: '{ viewer { ... on Usr { id } } }' },
        { query: 'query ($x: Usr) { viewer { id } }' },
        { query: '{ failedTransactions(filter: { codee: X }) { pageInfo { endCursor } } }' },
        { query: 'subscription { entryPosted(accountId: "x", sinc: "") { sequence } }' },
        {
          query: 'query ($f: FailedTransactionFilter) { failedTransactions(filter: $f) { pageInfo { endCursor } } }',
          variables: { f: { codee: 'X' } },
        },
        ...(transport === 'GET'
          ? []
          : [
              { query: 'mutation { createUser(input: { emial: "x" }) { __typename } }' },
              {
                query: 'mutation ($i: CreateUserInput!) { createUser(input: $i) { __typename } }',
                variables: { i: { emial: 'x', email: 'x' } },
              },
            ]),
      ]
      for (const asked of wrong) {
        const told = JSON.stringify(await ask(servers[mode], asked))
        expect(told, asked.query).toContain('errors')
        expect(told.includes('Did you mean'), told).toBe(isOpen)
      }
      // Names of an enum are never offered.
      const { errors } = await ask(servers[mode], {
        query: '{ failedTransactions(filter: { code: INSUFICIENT_FUNDS }) { pageInfo { endCursor } } }',
      })
      expect(JSON.stringify(errors)).not.toContain('INSUFFICIENT')
    },
  )
})

/** Every name of the schema. In a message graphql-js quotes names, and those in camel case are no ordinary words. */
const SCHEMA_NAMES = new Set(
  Object.values(schema.getTypeMap()).flatMap((type) => [
    type.name,
    ...('getFields' in type
      ? Object.values(type.getFields()).flatMap((field) => [
          field.name,
          ...('args' in field ? field.args.map((argument: GraphQLArgument) => argument.name) : []),
        ])
      : []),
    ...(isEnumType(type) ? type.getValues().map(({ name }) => name) : []),
  ]),
)

test.each(TRANSPORTS)(
  'without introspection an error names nothing that was not sent, over $transport',
  async ({ ask }) => {
    const wrong = [
      { query: '{ viewer }' },
      { query: '{ viewer { nothing } }' },
      { query: '{ viewer { id { x } } }' },
      { query: '{ viewer { account { balanceHistory { start } } } }' },
      { query: '{ viewer { account { balanceHistory(from: 1, bucket: X) { start } } } }' },
      { query: '{ user(idd: 1) { id } }' },
      { query: '{ ...F } fragment F on Balance { amount }' },
      { query: '{ viewer { ... on LedgerEntry { id } } }' },
      { query: 'query ($x: Int) { user(id: $x) { id } }' },
      {
        query:
          'query ($f: FailedTransactionFilter) { x: failedTransactions(filter: $f) { pageInfo { endCursor } } viewer { ...G } } fragment G on Query { viewer { id } }',
      },
      { query: '{ a: viewer { x: id } a: viewer { x: account { id } } }' },
      { query: '{ balances(accountIds: {}) { amount } }' },
      { query: 'query ($x: [ID!]!) { balances(accountIds: $x) { amount } }', variables: { x: [null, {}] } },
      { query: 'subscription { entryPosted { id } }' },
      { query: 'mutation { transfer(input: {}) { replayed } }' },
      { query: 'mutation ($i: TransferInput!) { transfer(input: $i) { __typename } }', variables: { i: {} } },
      {
        query: 'mutation ($i: PostTransactionsInput!) { postTransactions(input: $i) { __typename } }',
        variables: { i: { atomic: 1, transactions: [{ deposit: { x: 1 } }, { transfer: { amount: 1.5 } }, {}] } },
      },
    ]
    for (const asked of wrong) {
      const told = await ask(servers.production, asked)
      const sent = new Set(JSON.stringify(asked).split(/\W+/))
      const said = (told.errors ?? []).flatMap(({ message, extensions }) => [
        message,
        ...((extensions?.fields ?? []) as { message: string }[]).map((field) => field.message),
      ])
      expect(said.length, asked.query).toBeGreaterThan(0)
      const quoted = said.flatMap((message) => [...message.matchAll(/"([^"]*)"/g)].map(([, name]) => name)).join(' ')
      const telling = said
        .join(' ')
        .split(/\W+/)
        .filter((name) => /[a-z][A-Z]|_/.test(name))
      const named = [...quoted.split(/\W+/), ...telling]
      expect(
        named.filter((name) => SCHEMA_NAMES.has(name) && !sent.has(name)),
        said.join('\n'),
      ).toEqual([])
    }
  },
)

test('in production GraphiQL and introspection are there where they are asked for', async () => {
  const page = await pageOf('opened')
  const html = await page.text()
  expect(html).toContain('<html')
  expect(html).not.toContain('Bearer')
  expect(page.headers.get('content-security-policy')).toMatch(/frame-ancestors 'none'/)
  for (const { ask } of TRANSPORTS) {
    expect((await ask(servers.opened, { query: '{ __schema { queryType { name } } }' }, null)).errors).toBeUndefined()
    expect(JSON.stringify(await ask(servers.opened, { query: '{ usr { id } }' }))).toContain('Did you mean')
  }
})

test('the token of the demo operator is in the page of this machine alone, and in production in none', async () => {
  expect(await (await pageOf('development')).text()).toContain('Bearer')
  for (const header of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'])
    expect(await (await pageOf('development', { [header]: '127.0.0.1' })).text()).not.toContain('Bearer')
})
