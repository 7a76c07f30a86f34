import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { beforeAll, expect, test, vi } from 'vitest'
import type { AccountId } from '../../src/db/ids.ts'
import { toInstant } from '../../src/db/instant.ts'
import { deposit, transfer } from '../support/faults.ts'
import { makeAccounts } from '../support/ledger.ts'
import { useLedgerAndServer } from '../support/ledger-and-server.ts'

/* How many SQL statements a nested query costs: the same for two users as for fifty. */

const { ledger, server } = useLedgerAndServer()
/** No test makes another one: they are what is listed. */
let accounts: AccountId[]

beforeAll(async () => {
  accounts = await makeAccounts(ledger, 60, 1_000n)
  await Promise.all(
    accounts.flatMap((account, index) => [
      ...Array.from({ length: 12 }, () => ledger.posting.post(deposit(account, 5n))),
      ledger.posting.post(transfer(account, accounts[(index + 7) % accounts.length] as AccountId, 3n)),
    ]),
  )
})

const LAST_TEN = `transactions(first: 10) {
  edges { sequence balanceAfter node { amount currency { code } source { owner { email } } destination { id owner { email } } } } pageInfo { hasNextPage } }`
const OF_ACCOUNT = `
  name status currency { scale }
  balance { amount cursor formatted account { owner { role } } }
  then: balance(asOf: "2024-01-01T00:00:00Z") { amount }
  ${LAST_TEN}
  debits: transactions(first: 5, filter: { direction: DEBIT, from: "2024-01-01T00:00:00Z" }) {
    totalCount edges { balanceAfter formatted counterparty { publicName } transaction { destination { owner { email } balance { amount } } } } }
  days: balanceHistory(from: "2024-01-01T00:00:00Z", to: "2024-03-01T00:00:00Z", bucket: DAY) { closing }
  months: balanceHistory(from: "2024-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z", bucket: MONTH, timeZone: "Europe/Paris") { closing complete }`

const AUTH_STATEMENTS = ['read_sessions', 'read_api_tokens']

/**
 * What a query costs: `told` by the server, and `own` without readings of the clock. How many of these there are depends on time: one
 * reading serves all requests that come while it is under way, and is taken again for a moment that it does not settle. So does
 * whether two statements are one: they are when their fields get there in the same turn of the event loop. What does not
 * depend on time is which statements there are, and that none of them is sent for each item.
 */
async function count(query: string) {
  const sent = vi.spyOn(pg.Client.prototype, 'query')
  const answer = await send(query)
  // Who asks is found out before the operation begins, and believed for a while.
  const names = sent.mock.calls
    .map(([statement]) => statement as unknown as { name?: string; text?: string })
    .filter(({ name = '', text = '' }) => !AUTH_STATEMENTS.includes(name) && !text.includes('"last_seen_at"'))
    .map(({ name }) => name)
  sent.mockRestore()
  expect(answer.errors).toBeUndefined()
  const told: number = answer.extensions?.statementCount
  const readings = names.filter((name) => name === 'read_settled_clock').length
  const kinds = new Set(names)
  return { told, own: told - readings, statements: names.length, readings, kinds, data: answer.data }
}

async function send(query: string, headers: Record<string, string> = { 'x-statement-count': '1' }) {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...server.authorization, ...headers },
    body: JSON.stringify({ query }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  return (await response.json()) as any
}

test('fifty users with balances and their last ten entries cost a constant number of statements', async () => {
  const page = (size: number) =>
    `{ users(first: ${size}) { edges { node { account { balance { amount } ${LAST_TEN} } } } } }`
  const [two, fifty] = [await count(page(2)), await count(page(50))]
  expect(fifty.data.users.edges).toHaveLength(50)
  expect(fifty.data.users.edges[0].node.account.transactions.edges).toHaveLength(10)
  // The first time others may run beside it, such as the filling of checkpoints.
  expect([...two.kinds]).toEqual(expect.arrayContaining([...fifty.kinds]))
  // Users and what lies around their page, balances, heads of the pages with them, entries, the accounts of both sides, and
  // whose they are.
  // Below each level only one branch goes on, so no two loads can join or part by chance.
  expect([two.told, fifty.told]).toEqual([6, 6])
})

test('all that can be asked of a user, nested, is a constant number of statements, and that is what is told', async () => {
  const page = (size: number) =>
    `{ users(first: ${size}) { totalCount edges { node { email account { ${OF_ACCOUNT} } } } } }`
  // The first time everything is prepared, and the clock is read for a moment long past.
  await count(page(2))
  const [two, fifty] = [await count(page(2)), await count(page(50))]
  expect(fifty.data.users.edges[49].node.account.months.at(-1)).toMatchObject({ complete: false })
  expect(two.readings).toBeGreaterThan(0)
  // The first time others may run beside it, such as the filling of checkpoints.
  expect([...two.kinds]).toEqual(expect.arrayContaining([...fifty.kinds]))
  expect(fifty.statements).toBe(fifty.told)
  // Each of the two lists of entries may load accounts, and then their owners, by itself.
  expect(fifty.own).toBeLessThanOrEqual(15)
})

test('balances asked for by many operations at once are one statement', async () => {
  const together = await ledger.balances.current(accounts)
  const queries = vi.spyOn(pg.Client.prototype, 'query')
  const answers = await Promise.all(accounts.map((account) => ledger.balances.current([account])))
  expect(queries.mock.calls).toHaveLength(1)
  const moments = accounts.map((accountId) => [{ accountId, asOf: toInstant('2024-01-01T00:00:00.000000Z') }])
  await ledger.balances.asOf(moments[0] as (typeof moments)[number])
  queries.mockClear()
  await Promise.all(moments.map((moment) => ledger.balances.asOf(moment)))
  expect(queries.mock.calls).toHaveLength(1)
  queries.mockRestore()
  const amountsOf = (balances: typeof together) => balances.map(({ accountId, amount }) => [accountId, amount])
  expect(amountsOf(answers.flat())).toEqual(amountsOf(together))
})

test('nobody is told who does not ask, and operations beside each other are counted apart', async () => {
  expect((await send('{ users(first: 1) { totalCount } }', {})).extensions).toBeUndefined()
  const queries = [
    '{ users(first: 1) { totalCount } }',
    '{ __typename }',
    '{ users(first: 1) { pageInfo { hasNextPage } } }',
  ]
  const alone: number[] = []
  for (const query of queries) alone.push((await send(query)).extensions.statementCount)
  for (let round = 0; round < 10; round++) {
    const beside = await Promise.all(queries.map((query) => send(query)))
    expect(beside.map(({ extensions }) => extensions.statementCount)).toEqual(alone)
  }
  expect(alone[1]).toBe(0)
  // The engine posts for many at once, and records what was refused for others to see: neither is the operation's own.
  const [account, other] = accounts as [AccountId, AccountId]
  const post = (field: string, ids: string) =>
    Array.from(
      { length: 20 },
      (_, at) => `p${at}: ${field}(input: { idempotencyKey: "${randomUUID()}", ${ids}, amount: 7 }) { __typename }`,
    )
  const deposits = await send(`mutation { ${post('deposit', `accountId: "${account}"`).join(' ')} }`)
  const refusals = await send(
    `mutation { ${post('transfer', `sourceAccountId: "${other}", destinationAccountId: "${account}"`).join(' ').replaceAll('amount: 7', 'amount: 70000')} }`,
  )
  expect([deposits.extensions.statementCount, refusals.extensions.statementCount]).toEqual([0, 0])
})
