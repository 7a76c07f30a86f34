import { randomUUID } from 'node:crypto'

/** What is asked, and how an answer is known to be a success. */
export interface Operation {
  body(userIds: readonly string[]): string
  isSuccess(body: string): boolean
}

export type OperationName = 'trivial' | 'transfer' | 'hot' | 'balance'

const TRIVIAL = JSON.stringify({ query: '{ __typename }' })
const TRANSFER = JSON.stringify(
  'mutation Transfer($input: TransferInput!) { transfer(input: $input) { ... on TransferSuccess { replayed transaction { id } } ... on Error { code } } }',
)
const BALANCE = JSON.stringify('query Balance($id: ID!) { user(id: $id) { balance { amount } } }')

const random = (userIds: readonly string[]) => userIds[Math.floor(Math.random() * userIds.length)] as string

/** As text, since JSON.stringify of so little that changes would be most of what the generator does. */
const transferOf = (source: string, destination: string) =>
  `{"query":${TRANSFER},"variables":{"input":{"idempotencyKey":"${randomUUID()}","sourceUserId":"${source}","destinationUserId":"${destination}","amount":"1"}}}`

function randomBut(userIds: readonly string[], not: string): string {
  for (;;) {
    const userId = random(userIds)
    if (userId !== not) return userId
  }
}

const isPosted = (body: string) => body.startsWith('{"data":{"transfer":{"replayed":false,"transaction":{"id":"')

/** Both servers are asked in the same words. */
export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  trivial: {
    body: () => TRIVIAL,
    isSuccess: (body) => body === '{"data":{"__typename":"Query"}}',
  },
  transfer: {
    body(userIds) {
      const source = random(userIds)
      return transferOf(source, randomBut(userIds, source))
    },
    isSuccess: isPosted,
  },
  hot: {
    body(userIds) {
      const payer = userIds[0] as string
      return transferOf(payer, randomBut(userIds, payer))
    },
    isSuccess: isPosted,
  },
  balance: {
    body: (userIds) => `{"query":${BALANCE},"variables":{"id":"${random(userIds)}"}}`,
    isSuccess: (body) => /^\{"data":\{"user":\{"balance":\{"amount":"\d+"\}\}\}\}$/.test(body),
  },
}
