import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { openStream } from '../support/graphql-transport.ts'
import { useServer } from '../support/server.ts'

/* What people do with accounts, as they would write it. */

const server = useServer()

const FLOWS = `
query Dashboard {
  users(first: 50) {
    edges {
      node {
        id
        email
        accounts(first: 10) {
          edges {
            node {
              id
              name
              currency {
                code
                scale
              }
              status
              balance {
                amount
                formatted
              }
            }
          }
        }
      }
    }
  }
}

query March($id: ID!) {
  account(id: $id) {
    id
    currency {
      code
      scale
    }
    balanceHistory(
      from: "2024-03-01T00:00:00+01:00"
      to: "2024-04-01T00:00:00+02:00"
      bucket: MONTH
      timeZone: "Europe/Paris"
    ) {
      start
      end
      opening
      closing
      credited
      debited
      entryCount
    }
  }
}

query MarchEntries($id: ID!, $from: DateTime!, $to: DateTime!, $before: String) {
  account(id: $id) {
    transactions(last: 100, before: $before, filter: {from: $from, to: $to}) {
      edges {
        sequence
        createdAt
        change
        balanceAfter
        transaction {
          id
        }
        counterparty {
          id
          publicName
        }
      }
      pageInfo {
        hasPreviousPage
        startCursor
      }
    }
  }
}

mutation Exchange($k1: UUID!, $k2: UUID!, $eur: ID!, $usd: ID!, $houseEur: ID!, $houseUsd: ID!) {
  postTransactions(
    input: {atomic: true, transactions: [{transfer: {idempotencyKey: $k1, sourceAccountId: $eur, destinationAccountId: $houseEur, amount: 10000, currency: "EUR"}}, {transfer: {idempotencyKey: $k2, sourceAccountId: $houseUsd, destinationAccountId: $usd, amount: 10842, currency: "USD"}}]}
  ) {
    ... on PostTransactionsSuccess {
      results {
        ... on PostingSuccess {
          transaction {
            id
          }
        }
      }
    }
    ... on PostingRefusedError {
      index
      reason {
        code
        message
      }
    }
    ... on Error {
      code
      message
    }
  }
}

mutation Freeze($id: ID!) {
  setAccountStatus(input: {accountId: $id, status: FROZEN}) {
    ... on SetAccountStatusSuccess {
      account {
        id
        status
      }
    }
    ... on Error {
      code
      message
    }
  }
}

mutation Close($id: ID!) {
  setAccountStatus(input: {accountId: $id, status: CLOSED}) {
    ... on SetAccountStatusSuccess {
      account {
        id
        status
      }
    }
    ... on AccountNotEmptyError {
      balance {
        amount
      }
    }
    ... on Error {
      code
      message
    }
  }
}

subscription Watch($id: ID!, $since: String) {
  entryPosted(accountId: $id, since: $since) {
    id
    cursor
    change
    balanceAfter
    account {
      id
    }
    transaction {
      id
    }
  }
}
`
/** One of them, as a client would send it. */
const flow = (name: string) =>
  FLOWS.split(/\n(?=query|mutation|subscription)/).find((document) => document.split(/[\s(]/)[1] === name) ?? ''

async function run(name: string, variables: Record<string, unknown> = {}) {
  const { data, errors } = await server.ask(flow(name), variables)
  expect(errors).toBeUndefined()
  return data
}

const accounts = { usd: '', eur: '', houseUsd: '', houseEur: '' }

async function create(input: object): Promise<string> {
  const { data } = await server.ask(
    'mutation ($input: CreateAccountInput!) { createAccount(input: $input) { ... on CreateAccountSuccess { account { id } } } }',
    { input: { idempotencyKey: randomUUID(), ...input } },
  )
  return data.createAccount.account.id
}

const deposit = (accountId: string, amount: number) =>
  server.ask('mutation ($input: DepositInput!) { deposit(input: $input) { __typename } }', {
    input: { idempotencyKey: randomUUID(), accountId, amount },
  })

beforeAll(async () => {
  const { data } = await server.ask(
    `mutation { createUser(input: { email: "ada@example.com" }) { ... on CreateUserSuccess { user { id account { id } } } } }`,
  )
  const { id, account } = data.createUser.user
  accounts.usd = account.id
  accounts.eur = await create({ ownerId: id, currency: 'EUR', name: 'Euros' })
  accounts.houseUsd = await create({ name: 'exchange' })
  accounts.houseEur = await create({ name: 'exchange', currency: 'EUR' })
  await deposit(accounts.eur, 12_000)
  await deposit(accounts.houseUsd, 100_000)
})

describe('what people do, each test after the one before', { shuffle: false }, () => {
  test('an operator sees who has what, in which currency', async () => {
    const { users } = await run('Dashboard')
    const ada = users.edges.find((edge: { node: { email: string } }) => edge.node.email === 'ada@example.com')
    expect(ada.node.accounts.edges).toEqual([
      {
        node: {
          id: accounts.eur,
          name: 'Euros',
          currency: { code: 'EUR', scale: 2 },
          status: 'OPEN',
          balance: { amount: '12000', formatted: '€120.00' },
        },
      },
      {
        node: {
          id: accounts.usd,
          name: null,
          currency: { code: 'USD', scale: 2 },
          status: 'OPEN',
          balance: { amount: '0', formatted: '$0.00' },
        },
      },
    ])
  })

  test('an exchange is two transfers over accounts of the house, or none', async () => {
    const keys = () => ({ k1: randomUUID(), k2: randomUUID() })
    const watched = await openStream(server.endpoint, {
      query: flow('Watch'),
      variables: { id: accounts.usd, since: (await balanceOf(accounts.usd)).cursor },
    })
    const { postTransactions } = await run('Exchange', { ...accounts, ...keys() })
    expect(postTransactions.results).toHaveLength(2)
    const event = (await watched.waitForEvent()).data as { data: { entryPosted: object } }
    watched.abort()
    expect(event.data.entryPosted).toMatchObject({
      change: '10842',
      balanceAfter: '10842',
      account: { id: accounts.usd },
      transaction: postTransactions.results[1].transaction,
    })
    // The second time there are too few euros.
    expect((await run('Exchange', { ...accounts, ...keys() })).postTransactions).toMatchObject({
      index: 0,
      reason: { code: 'INSUFFICIENT_FUNDS' },
    })
    // With the accounts the other way round both currencies are wrong.
    const wrong = { ...accounts, eur: accounts.usd, usd: accounts.eur, ...keys() }
    expect((await run('Exchange', wrong)).postTransactions).toMatchObject({
      index: 0,
      reason: { code: 'CURRENCY_MISMATCH' },
    })
    expect([(await balanceOf(accounts.eur)).amount, (await balanceOf(accounts.usd)).amount]).toEqual(['2000', '10842'])
  })

  async function balanceOf(id: string): Promise<{ amount: string; cursor: string }> {
    const { data } = await server.ask(`{ account(id: "${id}") { balance { amount cursor } } }`)
    return data.account.balance
  }

  test('a month is one bucket, and its entries are a page of it', async () => {
    const { account } = await run('March', { id: accounts.eur })
    expect(account).toMatchObject({
      currency: { code: 'EUR', scale: 2 },
      balanceHistory: [{ start: '2024-02-29T23:00:00.000000Z', end: '2024-03-31T22:00:00.000000Z' }],
    })
    const entries = await run('MarchEntries', {
      id: accounts.eur,
      from: '2024-01-01T00:00:00Z',
      to: '2999-01-01T00:00:00Z',
    })
    const { edges, pageInfo } = entries.account.transactions
    expect(edges).toMatchObject([
      {
        sequence: 2,
        change: '-10000',
        balanceAfter: '2000',
        counterparty: { id: accounts.houseEur, publicName: null },
      },
      { sequence: 1, change: '12000', balanceAfter: '12000', counterparty: null },
    ])
    expect(pageInfo.hasPreviousPage).toBe(false)
  })

  test('an account is frozen, emptied and closed', async () => {
    expect((await run('Freeze', { id: accounts.eur })).setAccountStatus.account).toEqual({
      id: accounts.eur,
      status: 'FROZEN',
    })
    expect((await run('Close', { id: accounts.eur })).setAccountStatus).toMatchObject({
      balance: { amount: '2000' },
      code: 'ACCOUNT_NOT_EMPTY',
    })
    const empty = await create({ currency: 'EUR' })
    expect((await run('Close', { id: empty })).setAccountStatus.account).toEqual({ id: empty, status: 'CLOSED' })
  })
})
