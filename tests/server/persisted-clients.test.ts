import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries'
import { addTypenameToDocument } from '@apollo/client/utilities'
import { Client, cacheExchange, fetchExchange } from '@urql/core'
import { persistedExchange } from '@urql/exchange-persisted'
import { type DocumentNode, parse, print, separateOperations } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sha256Of } from '../../src/server/graphql/operation-list.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/* Clients as they are, against a server that runs listed operations only, and one that has no list. */

/** As people write it: fragments last, nothing asked for but what is shown. */
const SOURCE = `
  query Who { ledger { userCount } viewer { ...Person } }
  mutation Make($input: CreateUserInput!) { createUser(input: $input) { ...Made } }
  fragment Made on CreateUserSuccess { user { ...Person } }
  fragment Person on User { id role }
`
const documents = separateOperations(parse(SOURCE)) as { Who: DocumentNode; Make: DocumentNode }
const UNLISTED = 'query Unlisted { ledger { userCount } }'

let folder: string
/** By what the list was made with. */
const servers: Record<string, TestServer> = {}
let plain: TestServer

const texts = Object.values(documents).map(print)
/** As Code Generator writes them: sorted, in one line. It sorts fields too; here they are in order. */
const generated = Object.values(documents).map(({ definitions }) =>
  definitions.map(print).sort().join(' ').replaceAll(/\s+/g, ' '),
)
const LISTS: Readonly<Record<string, unknown>> = {
  'npm run persist': Object.fromEntries(texts.map((text) => [sha256Of(text), text])),
  'GraphQL Code Generator': Object.fromEntries(
    generated.map((text) => [createHash('sha1').update(text).digest('hex'), text]),
  ),
  'GraphQL Code Generator, with a prefix': Object.fromEntries(
    generated.map((text) => [`sha256:${sha256Of(text)}`, text]),
  ),
  // Apollo's generator writes what Apollo Client would send.
  "Apollo's generator": {
    format: 'apollo-persisted-query-manifest',
    version: 1,
    operations: Object.entries(documents).map(([name, document]) => {
      const body = print(addTypenameToDocument(document))
      return { id: sha256Of(body), name, type: name === 'Who' ? 'query' : 'mutation', body }
    }),
  },
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thesaurum-clients-'))
  plain = await openTestServer()
  for (const [name, list] of Object.entries(LISTS)) {
    const path = join(folder, `${name}.json`)
    await writeFile(path, JSON.stringify(list))
    servers[name] = await openTestServer({ PERSISTED_OPERATIONS: path }, plain.database)
  }
})
afterAll(async () => {
  for (const server of Object.values(servers)) await server.close()
  await plain.close()
  await rm(folder, { recursive: true, force: true })
})

/** What each request of the test so far carried. */
const sent: ('text' | 'hash' | 'text and hash')[] = []
beforeEach(() => void sent.splice(0))

const watchedFetch: typeof fetch = (input, init) => {
  const asked = init?.body ? JSON.parse(String(init.body)) : Object.fromEntries(new URL(String(input)).searchParams)
  const hasHash = asked.documentId !== undefined || JSON.stringify(asked.extensions ?? {}).includes('persistedQuery')
  sent.push(asked.query ? (hasHash ? 'text and hash' : 'text') : 'hash')
  return fetch(input, init)
}

let made = 0
const newEmail = () => `somebody-${++made}@example.com`

type Link = 'text' | 'hash' | 'hash by GET'

function apollo(server: TestServer, by: Link) {
  const http = new HttpLink({ uri: server.endpoint, headers: server.authorization, fetch: watchedFetch })
  const persisted = new PersistedQueryLink({ sha256: sha256Of, useGETForHashedQueries: by === 'hash by GET' })
  return new ApolloClient({
    cache: new InMemoryCache(),
    link: by === 'text' ? http : ApolloLink.from([persisted, http]),
  })
}

async function askApollo(server: TestServer, by: Link) {
  const client = apollo(server, by)
  const { data } = await client.query<{ ledger: { userCount: number } }>({ query: documents.Who })
  const variables = { input: { email: newEmail() } }
  const make = await client.mutate<{ createUser: unknown }>({ mutation: documents.Make, variables })
  client.stop()
  return { read: data?.ledger, made: make.data?.createUser }
}

function urql(server: TestServer, by: Link) {
  return new Client({
    url: server.endpoint,
    fetchOptions: { headers: server.authorization },
    fetch: watchedFetch,
    preferGetMethod: by === 'hash by GET',
    exchanges: [
      cacheExchange,
      ...(by === 'text'
        ? []
        : [persistedExchange({ enableForMutation: true, preferGetForPersistedQueries: by === 'hash by GET' })]),
      fetchExchange,
    ],
  })
}

async function askUrql(server: TestServer, by: Link) {
  const client = urql(server, by)
  const read = await client.query<{ ledger: { userCount: number } }>(documents.Who, {})
  if (read.error) throw read.error
  const make = await client.mutation<{ createUser: unknown }>(documents.Make, { input: { email: newEmail() } })
  if (make.error) throw make.error
  return { read: read.data?.ledger, made: make.data?.createUser }
}

const answered = {
  read: { __typename: 'Ledger', userCount: expect.any(Number) },
  made: { __typename: 'CreateUserSuccess', user: { __typename: 'User', id: expect.any(String), role: 'USER' } },
}

const CLIENTS = { 'Apollo Client': askApollo, urql: askUrql }

describe.each(Object.keys(LISTS))('a server with a list from %s', (list) => {
  describe.each(Object.entries(CLIENTS))('and %s', (_client, ask) => {
    test.each<Link>(['text', 'hash', 'hash by GET'])('which sends the %s', async (by) => {
      expect(await ask(servers[list] as TestServer, by)).toEqual(answered)
      // Once it has met a text, a server knows it by its hash.
      sent.splice(0)
      expect(await ask(servers[list] as TestServer, by)).toEqual(answered)
      expect(sent).toEqual(by === 'text' ? ['text', 'text'] : ['hash', 'hash'])
    })
  })

  test('knows beforehand by which hash Apollo Client names an operation', async () => {
    const server = await openTestServer({ PERSISTED_OPERATIONS: join(folder, `${list}.json`) }, plain.database)
    expect(await askApollo(server, 'hash')).toEqual(answered)
    expect(sent).toEqual(['hash', 'hash'])
    await server.close()
  })

  test('runs nothing else, and says so to clients', async () => {
    const server = servers[list] as TestServer
    for (const by of ['text', 'hash', 'hash by GET'] as const) {
      const failed = await apollo(server, by)
        .query({ query: gql(UNLISTED) })
        .catch((error: unknown) => error)
      expect(CombinedGraphQLErrors.is(failed)).toBe(true)
      const { error } = await urql(server, by).query(UNLISTED, {})
      for (const message of [(failed as Error).message, error?.message])
        expect(message).toMatch(/runs only the operations on its list/)
    }
  })
})

describe.each(Object.entries(CLIENTS))('a server without a list and %s', (_client, ask) => {
  test.each<Link>(['hash', 'hash by GET'])('which sends the %s first, and then texts alone', async (by) => {
    expect(await ask(plain, by)).toEqual(answered)
    expect(sent).toEqual(['hash', 'text', 'text'])
  })
})
