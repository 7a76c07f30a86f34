import { randomUUID } from 'node:crypto'

/** What is asked, and how an answer is known to be a success. */
export interface Operation {
  body(accountIds: readonly string[]): string
  isSuccess(body: string): boolean
}

export type OperationName = 'trivial' | 'transfer' | 'hot' | 'balance'

const TRIVIAL = JSON.stringify({ query: '{ __typename }' })
const TRANSFER = JSON.stringify(
  'mutation Transfer($input: TransferInput!) { transfer(input: $input) { ... on TransferSuccess { replayed transaction { id } } ... on Error { code } } }',
)
const BALANCE = JSON.stringify('query Balance($id: ID!) { account(id: $id) { balance { amount } } }')

const random = (accountIds: readonly string[]) => accountIds[Math.floor(Math.random() * accountIds.length)] as string

/** As text, since JSON.stringify of so little that changes would be most of what the generator does. */
const transferOf = (source: string, destination: string) =>
  `{"query":${TRANSFER},"variables":{"input":{"idempotencyKey":"${randomUUID()}","sourceAccountId":"${source}","destinationAccountId":"${destination}","amount":"1"}}}`

function randomBut(accountIds: readonly string[], not: string): string {
  for (;;) {
    const accountId = random(accountIds)
    if (accountId !== not) return accountId
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
    body(accountIds) {
      const source = random(accountIds)
      return transferOf(source, randomBut(accountIds, source))
    },
    isSuccess: isPosted,
  },
  hot: {
    body(accountIds) {
      const payer = accountIds[0] as string
      return transferOf(payer, randomBut(accountIds, payer))
    },
    isSuccess: isPosted,
  },
  balance: {
    body: (accountIds) => `{"query":${BALANCE},"variables":{"id":"${random(accountIds)}"}}`,
    isSuccess: (body) => /^\{"data":\{"account":\{"balance":\{"amount":"\d+"\}\}\}\}$/.test(body),
  },
}
