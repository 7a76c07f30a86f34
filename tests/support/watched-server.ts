import { randomUUID } from 'node:crypto'
import { beforeEach, expect, onTestFinished, vi } from 'vitest'
import type { SocketClient } from './graphql-transport.ts'
import { useServer } from './server.ts'
import { lookInside } from './sign-in.ts'

/* Users who pay each other, and those who watch their accounts. */

export const ENTRY = `id cursor sequence direction change balanceAfter createdAt
  transaction { id kind amount source { id owner { email } } destination { id owner { email } } }`
export const WATCH = `subscription Watch($accountId: ID!, $since: String) { entryPosted(accountId: $accountId, since: $since) { ${ENTRY} } }`

/** A server for the tests of a file. Each test ends when nobody is subscribed to an account any more. */
export function useWatchedServer() {
  const inside = lookInside()
  const server = useServer()
  const subscriberCount = () => inside.counts().entries
  const waitForSubscribers = (count: number) => vi.waitFor(() => expect(subscriberCount()).toBe(count), { interval: 5 })
  // Registered first, so it runs last: after the clients are cut.
  beforeEach(() => onTestFinished(() => waitForSubscribers(0)))
  return {
    server,
    subscriberCount,
    waitForSubscribers,

    /** @returns the id of the main account. */
    async createUser(): Promise<string> {
      const { data } = await server.ask(
        'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { account { id } } } } }',
        { email: `${randomUUID()}@example.com` },
      )
      return data.createUser.user.account.id
    },

    /** Answers with the entry, as do the transfers. */
    async deposit(accountId: string, amount: number, through = server) {
      const { data } = await through.ask(
        `mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { entry { ${ENTRY} } } } }`,
        { input: { idempotencyKey: randomUUID(), accountId, amount } },
      )
      return data.deposit.entry
    },

    async transfer(sourceAccountId: string, destinationAccountId: string, amount: number) {
      const { data } = await server.ask(
        `mutation ($input: TransferInput!) { transfer(input: $input) { ... on TransferSuccess { entry { ${ENTRY} } } } }`,
        { input: { idempotencyKey: randomUUID(), sourceAccountId, destinationAccountId, amount } },
      )
      return data.transfer.entry
    },

    async balanceOf(accountId: string): Promise<{ amount: string; sequence: number; cursor: string }> {
      const { data } = await server.ask(
        'query ($id: ID!) { account(id: $id) { balance { amount sequence cursor } } }',
        {
          id: accountId,
        },
      )
      return data.account.balance
    },
  }
}

/** The next entry of a subscription. */
export async function entryOn(client: SocketClient, id = 'watch') {
  const message = await client.waitForMessage()
  expect(message).toMatchObject({ type: 'next', id })
  expect(message.payload.errors).toBeUndefined()
  return message.payload.data.entryPosted
}
