import { randomUUID } from 'node:crypto'
import type { Preparation } from './suites.ts'

/** What a suite knows of an account when it starts. */
export interface Account {
  id: string
  /** In cents. */
  balance: number
  entries: number
}

// biome-ignore lint/suspicious/noExplicitAny: a preparation knows what it asked for
export type Ask = (query: string, variables: Record<string, unknown>) => Promise<any>

/** The server allows about a hundred aliases, and 2,000 tokens: this takes some 900. */
const USERS_PER_REQUEST = 50
const POSTINGS_PER_REQUEST = 1_000
const REQUESTS_AT_ONCE = 4
/** Of a deposit or transfer beside the first deposit: never enough of them to empty an account. */
const AMOUNT_MAX = 100

const POST = `mutation Prepare($transactions: [PostTransactionInput!]!) {
  postTransactions(input: { atomic: false, transactions: $transactions }) {
    ... on PostTransactionsSuccess { results { __typename ... on Error { code message } } }
    ... on Error { code message }
  }
}`

/** Makes the accounts of a suite, in few and large requests. */
export async function createAccounts(ask: Ask, preparation: Preparation): Promise<Account[]> {
  const { users, deposit, transactions: [min, max] = [0, 0], busyShare = 0 } = preparation
  // The other side of all transfers out, so that an account has no more entries than it was given.
  const [till = '', ...ids] = await createUsers(ask, users + 1)
  const accounts: Account[] = ids.map((id) => ({ id, balance: 0, entries: 0 }))
  const firsts = deposit === 0 ? [] : accounts.map((account) => depositTo(account, deposit))
  await post(ask, firsts)
  const busy = accounts.slice(Math.ceil(users * (1 - busyShare)))
  const rest = busy.flatMap((account) =>
    Array.from({ length: between(min, max) }, (_, turn) =>
      turn % 2 === 0 ? depositTo(account, between(1, AMOUNT_MAX)) : payOut(account, till, between(1, AMOUNT_MAX)),
    ),
  )
  await post(ask, rest)
  return accounts
}

const between = (min: number, max: number) => min + Math.floor(Math.random() * (max - min + 1))

function depositTo(account: Account, amount: number) {
  account.balance += amount
  account.entries += 1
  return { deposit: { idempotencyKey: randomUUID(), accountId: account.id, amount } }
}

function payOut(account: Account, till: string, amount: number) {
  account.balance -= amount
  account.entries += 1
  return {
    transfer: { idempotencyKey: randomUUID(), sourceAccountId: account.id, destinationAccountId: till, amount },
  }
}

async function createUsers(ask: Ask, count: number): Promise<string[]> {
  const run = randomUUID()
  const emails = Array.from({ length: count }, (_, index) => `load-${index}-${run}@example.org`)
  const made = await inTurns(cut(emails, USERS_PER_REQUEST), async (some) => {
    const names = some.map((_, index) => `e${index}`)
    const query = `mutation Prepare(${names.map((name) => `$${name}: CreateUserInput!`).join(' ')}) {
      ${names.map((name) => `${name}: createUser(input: $${name}) { ...Made }`).join('\n')}
    }
    fragment Made on CreateUserResult { ... on CreateUserSuccess { user { id } } ... on Error { code message } }`
    const data = await ask(query, Object.fromEntries(names.map((name, index) => [name, { email: some[index] }])))
    return names.map((name) => {
      const id = data[name]?.user?.id
      if (!id) throw new Error(`a user was not made: ${JSON.stringify(data[name])}`)
      return id as string
    })
  })
  return made.flat()
}

async function post(ask: Ask, postings: object[]): Promise<void> {
  await inTurns(cut(postings, POSTINGS_PER_REQUEST), async (transactions) => {
    const { postTransactions } = await ask(POST, { transactions })
    const results: { __typename: string }[] = postTransactions?.results ?? [postTransactions]
    const wrong = results.find((result) => result?.__typename !== 'PostTransactionSuccess')
    if (wrong !== undefined) throw new Error(`a posting was refused: ${JSON.stringify(wrong)}`)
  })
}

function cut<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  )
}

/** Does all, a few at a time; answers in order. */
async function inTurns<T, R>(items: T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index] as T)
    }
  }
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, lane))
  return results
}
