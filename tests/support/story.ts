import { randomUUID } from 'node:crypto'
import { openTestServer, type TestServer } from './server.ts'

/*
 * A story of four accounts whose every balance is added up here once more: Ada and Grace pay each other, Linus is paid
 * once, Mary's account is empty.
 */

const PEOPLE = ['ada', 'grace', 'linus', 'mary'] as const

/** In the order they are posted; `source` and `destination` are numbers in PEOPLE, null the world outside. */
export const STORY: readonly (readonly [source: number | null, destination: number, amount: bigint])[] = [
  [null, 0, 100_000n],
  [null, 1, 9_007_199_254_740_993n],
  [0, 1, 250n],
  [1, 0, 125n],
  [0, 2, 1n],
  [1, 0, 9_007_199_254_740_993n],
  [0, 1, 42n],
]

export interface PostedTransaction {
  id: string
  idempotencyKey: string
  createdAt: string
}

export interface ToldStory {
  server: TestServer
  /** Ids, in the order of PEOPLE. */
  users: string[]
  /** In the order of STORY. */
  posted: PostedTransaction[]
}

/** A server whose ledger holds the story and nothing else. */
export async function openStory(): Promise<ToldStory> {
  const server = await openTestServer()
  const users: string[] = []
  const posted: PostedTransaction[] = []
  for (const name of PEOPLE) {
    const { data } = await server.ask(
      `mutation { createUser(input: { email: "${name}@example.com" }) { ... on CreateUserSuccess { user { id } } } }`,
    )
    users.push(data.createUser.user.id)
  }
  for (const [source, destination, amount] of STORY) {
    const input = `idempotencyKey: "${randomUUID()}", amount: "${amount}"`
    const selection = 'transaction { id idempotencyKey createdAt }'
    const { data } = await server.ask(
      source === null
        ? `mutation { post: deposit(input: { ${input}, accountId: "${users[destination]}" }) {
            ... on DepositSuccess { ${selection} } } }`
        : `mutation { post: transfer(input: { ${input}, sourceAccountId: "${users[source]}", destinationAccountId: "${users[destination]}" }) {
            ... on TransferSuccess { ${selection} } } }`,
    )
    posted.push(data.post.transaction)
  }
  return { server, users, posted }
}

/** What an account's entries must be, oldest first. */
export function entriesOf(user: number, { posted }: Pick<ToldStory, 'posted'>) {
  let balance = 0n
  return STORY.flatMap(([source, destination, amount], index) => {
    if (source !== user && destination !== user) return []
    const change = source === user ? -amount : amount
    balance += change
    const { id: transactionId, createdAt } = posted[index] as PostedTransaction
    const direction = change > 0n ? 'CREDIT' : 'DEBIT'
    return [{ transactionId, createdAt, direction, change: `${change}`, balanceAfter: `${balance}` }]
  })
}
