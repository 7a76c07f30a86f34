import { randomUUID } from 'node:crypto'
import { beforeAll, expect, vi } from 'vitest'
import { Authenticator } from '../../src/auth/authenticator.ts'
import { hashToken } from '../../src/auth/token.ts'
import { Feed } from '../../src/ledger/feed/account-feed.ts'
import { TransactionFeed } from '../../src/ledger/feed/transaction-feed.ts'
import type { TestDatabase } from './database.ts'
import type { Answer, TestServer } from './server.ts'

export const PASSWORD = 'a right password'

export interface Person {
  /** `user_<uuid>`, which in input also names the main account. */
  id: string
  accountId: string
  email: string
}

/** Somebody with an account; who has `PASSWORD`, unless told otherwise. */
export async function makePerson(
  server: Pick<TestServer, 'ask'>,
  { password = PASSWORD }: { password?: string | null } = {},
): Promise<Person> {
  const email = `${randomUUID()}@example.com`
  const { data } = await server.ask(
    `mutation ($email: String!, $password: String) {
      createUser(input: { email: $email, password: $password }) {
        __typename ... on CreateUserSuccess { user { id account { id } } }
      }
    }`,
    { email, password },
  )
  expect(data.createUser.__typename).toBe('CreateUserSuccess')
  const { id, account } = data.createUser.user
  return { id, accountId: account.id, email }
}

/** Somebody with an account and `PASSWORD`, for all tests of a file. */
export function usePerson(server: Pick<TestServer, 'ask'>): Person {
  // They have their properties as soon as a test can use them.
  const person = {} as Person
  beforeAll(async () => void Object.assign(person, await makePerson(server)))
  return person
}

export const LOGIN = `mutation ($email: String!, $password: String!) {
  login(input: { email: $email, password: $password }) {
    __typename
    ... on LoginSuccess { token expiresAt user { id email role } }
    ... on Error { code message retryable }
    ... on TooManyAttemptsError { retryAfterSeconds }
  }
}`

/** Tries to sign in, as nobody; from an address, where the server believes in one proxy. */
export async function tryLogin(
  { ask }: Pick<TestServer, 'ask'>,
  email: string,
  password: string,
  from?: string,
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
): Promise<any> {
  const answer = await ask(LOGIN, { email, password }, from === undefined ? {} : { 'x-forwarded-for': from })
  expect(answer.errors).toBeUndefined()
  return answer.data.login
}

/** Signs in; answers with the token. */
export async function logIn(server: Pick<TestServer, 'ask'>, { email }: Person, from?: string): Promise<string> {
  const login = await tryLogin(server, email, PASSWORD, from)
  expect(login).toMatchObject({ __typename: 'LoginSuccess' })
  return login.token
}

/** Asks with a token: the answer and how it was given. */
export async function askWith(
  { endpoint }: Pick<TestServer, 'endpoint'>,
  token: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Answer & { status: number; challenge: string | null }> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  })
  return {
    ...((await response.json()) as Answer),
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
  }
}

/** Whether a token is good for anything. */
export async function isGood(server: Pick<TestServer, 'endpoint'>, token: string): Promise<boolean> {
  const { status } = await askWith(server, token, '{ __typename }')
  expect([200, 401]).toContain(status)
  return status === 200
}

/** Waits until a token is good for nothing any more. How soon that is, is measured by `npm run test:hostile`. */
export async function untilBad(server: Pick<TestServer, 'endpoint'>, token: string): Promise<void> {
  await vi.waitFor(async () => expect(await isGood(server, token)).toBe(false), { interval: 20 })
}

/** Makes the session of a token look as if time had gone by: how long ago it began, was last used, and how soon it ends. */
export async function ageSession({ pool }: TestDatabase, token: string, byMs: number): Promise<void> {
  const { rowCount } = await pool.query(
    `update private.sessions set created_at = created_at - $2 * interval '1 ms',
       last_seen_at = last_seen_at - $2 * interval '1 ms', expires_at = expires_at - $2 * interval '1 ms'
     where token_hash = $1`,
    [hashToken(token), byMs],
  )
  expect(rowCount).toBe(1)
}

export interface Inside {
  /** All that somebody is waiting for: subscriptions and sockets that are watched, subscribers of both feeds. */
  counts(): { watchers: number; entries: number; transactions: number }
  /** Waits until nobody is. */
  untilNobody(): Promise<void>
}

/** The inside of all servers that are used from now on in this process. */
export function lookInside(): Inside {
  const authenticators = vi.spyOn(Authenticator.prototype, 'watch')
  const feeds = vi.spyOn(Feed.prototype, 'subscribe')
  const transactionFeeds = vi.spyOn(TransactionFeed.prototype, 'subscribe')
  const sum = <Part>(parts: Part[], count: (part: Part) => number) =>
    [...new Set(parts)].reduce((total, part) => total + count(part), 0)
  const counts = () => ({
    watchers: sum(authenticators.mock.contexts as Authenticator[], ({ watcherCount }) => watcherCount),
    entries: sum(feeds.mock.contexts as Feed[], ({ subscriberCount }) => subscriberCount),
    transactions: sum(transactionFeeds.mock.contexts as TransactionFeed[], ({ subscriberCount }) => subscriberCount),
  })
  return {
    counts,
    untilNobody: () => vi.waitFor(() => expect(counts()).toEqual({ watchers: 0, entries: 0, transactions: 0 })),
  }
}
