import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readOperationList, sha256Of } from '../../src/server/graphql/operation-list.ts'
import { readPersistedOperations } from '../../src/server/graphql/persisted-operations.ts'
import { runCommand, runCommandHere } from '../support/command-line.ts'
import { useFolder } from '../support/folder.ts'
import { openClient } from '../support/graphql-transport.ts'
import { PRODUCTION } from '../support/production.ts'
import { useServers } from '../support/server.ts'
import { TRANSPORTS } from '../support/transports.ts'

/* A server with a list of operations runs those, and no others. */

const folder = useFolder()
const persisted = {
  Name: 'query Name { __typename }',
  Watch: 'subscription Watch($id: ID!) { entryPosted(accountId: $id) { sequence } }',
}
const list = join(folder, 'operations.json')
writeFileSync(list, JSON.stringify(Object.fromEntries(Object.values(persisted).map((text) => [sha256Of(text), text]))))
const servers = useServers({
  production: PRODUCTION,
  persisted: { ...PRODUCTION, PERSISTED_OPERATIONS: list },
})

describe.each(TRANSPORTS)('with persisted operations, over $transport', ({ ask }) => {
  const hash = sha256Of(persisted.Name)
  test.each([
    ['its text', { query: persisted.Name }],
    ['documentId', { documentId: hash }],
    ['documentId with the name of the hash', { documentId: `sha256:${hash}` }],
    ["Apollo's extension", { extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }],
  ])('an operation of the list runs by %s', async (_by, asked) => {
    expect(await ask(servers.persisted, asked, null)).toEqual({ data: { __typename: 'Query' } })
  })

  test.each([
    ['another text', { query: '{ __typename }' }],
    ['its text with another name', { query: persisted.Name.replace('Name', 'Other') }],
    ['its text with a field more', { query: 'query Name { __typename viewer { id } }' }],
    ['its text with an alias', { query: 'query Name { a: __typename }' }],
    ['its text with a directive', { query: 'query Name { __typename @include(if: true) }' }],
    ['its text with an operation more', { query: `${persisted.Name} query B { __typename }`, operationName: 'Name' }],
    ['no document', { query: '{' }],
    [
      "another hash in Apollo's extension, with the text of it",
      {
        query: '{ __typename }',
        extensions: { persistedQuery: { version: 1, sha256Hash: sha256Of('{ __typename }') } },
      },
    ],
    ['a text that is too long', { query: `{ __typename } #${'.'.repeat(10_000)}` }],
  ])('%s is refused', async (_what, asked) => {
    const { data, errors } = await ask(servers.persisted, asked, null)
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      {
        message: expect.stringContaining(
          'This server runs only the operations on its list, and this one is not on it.',
        ),
        extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' },
      },
    ])
  })

  test.each([
    ['another hash', { documentId: sha256Of('{ __typename }') }],
    ['the name of an object', { documentId: '__proto__' }],
    ['another hash with a good text', { documentId: sha256Of('x'), query: persisted.Name }],
    [
      "another hash in Apollo's extension",
      { extensions: { persistedQuery: { version: 1, sha256Hash: sha256Of('x') } } },
    ],
    ["Apollo's extension without a hash", { extensions: { persistedQuery: {} } }],
  ])('%s is not found, in the words that clients look for', async (_what, asked) => {
    const { data, errors } = await ask(servers.persisted, asked, null)
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      { message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } },
    ])
  })

  test("a good text with another hash in Apollo's extension runs: a client that was told of a miss sends both", async () => {
    const extensions = { persistedQuery: { version: 1, sha256Hash: sha256Of('x') } }
    const asked = { query: persisted.Name, extensions }
    expect(await ask(servers.persisted, asked, null)).toEqual({ data: { __typename: 'Query' } })
  })

  test.each([
    ['documentId', { documentId: hash }],
    ["Apollo's extension", { extensions: { persistedQuery: { version: 1, sha256Hash: hash } } }],
  ])('a server without a list says that it has none, by %s', async (_by, asked) => {
    const { data, errors } = await ask(servers.production, asked, null)
    expect(data ?? null).toBeNull()
    expect(errors).toMatchObject([
      { message: 'PersistedQueryNotSupported', extensions: { code: 'PERSISTED_QUERY_NOT_SUPPORTED' } },
    ])
    const withText = { ...asked, query: persisted.Name }
    expect(await ask(servers.production, withText, null)).toEqual({ data: { __typename: 'Query' } })
  })
})

test('with persisted operations no value in place of a hash or a text is a fault of the server', async () => {
  for (const body of [
    { documentId: 5 },
    { documentId: {} },
    { query: {} },
    { query: 5 },
    { query: null },
    { extensions: { persistedQuery: 5 } },
    {},
  ]) {
    const answer = await fetch(servers.persisted.endpoint, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    })
    expect([JSON.stringify(body), answer.status]).toEqual([JSON.stringify(body), 400])
  }
  expect(servers.persisted.errorLines()).toEqual([])
})

test('a subscription of the list runs by its hash', async () => {
  const client = await openClient(servers.persisted.socketEndpoint)
  client.send({
    type: 'subscribe',
    id: 'a',
    payload: {
      query: '',
      documentId: sha256Of(persisted.Watch),
      variables: { id: 'user_01890a5d-ac96-774b-bcce-b302099a8057' },
    },
  })
  expect(JSON.stringify(await client.waitForMessage())).toContain('ACCOUNT_NOT_FOUND')
})

test('the allow-list of a client is made of its files, fragments included, and is read again', async () => {
  await writeFile(join(folder, 'a.graphql'), 'query A { viewer { ...Who } }\nquery B { __typename }')
  await writeFile(join(folder, 'b.graphql'), 'fragment Who on User { id ...More } fragment More on User { email }')
  const run = runCommand(['persist', join(folder, 'a.graphql'), join(folder, 'b.graphql')])
  expect(await run.waitForExit()).toBe(0)
  const list = join(folder, 'made.json')
  await writeFile(list, run.stdout())
  const documents = (await readOperationList(list)).map(({ text }) => text)
  expect(documents).toHaveLength(2)
  expect(documents[0]).toMatch(/query A[\s\S]*fragment Who[\s\S]*fragment More/)
  expect(documents[1]).toBe('query B {\n  __typename\n}')
})

test.each([
  ['a file that is not there', ['none.graphql'], /cannot be read/],
  ['a file that is no GraphQL', ['no.graphql'], /Syntax Error/],
  ['a field that is not there', ['wrong.graphql'], /nothing/],
])('an allow-list is not made of %s, in words', async (_name, files, words) => {
  await writeFile(join(folder, 'no.graphql'), 'query {')
  await writeFile(join(folder, 'wrong.graphql'), '{ nothing }')
  const { code, stderr } = await runCommandHere(['persist', ...files.map((name) => join(folder, name))])
  expect(code).toBe(1)
  expect(stderr).toMatch(words)
  expect(stderr).not.toMatch(/^\s+at /m)
})

test.each([
  ['is not there', null, /^PERSISTED_OPERATIONS: .* cannot be read\.$/],
  ['is no JSON', '{', /is not JSON\.$/],
  ['is null', 'null', /neither an object of documents by their hash nor an Apollo manifest\.$/],
  ['is a list', '["{ __typename }"]', /neither an object of documents by their hash nor an Apollo manifest\.$/],
  [
    'has a hash of something else',
    JSON.stringify({ abc: '{ __typename }' }),
    /entry "abc": its key is not the MD5, SHA-1,/,
  ],
  ['has something else than texts', JSON.stringify({ abc: 5 }), /entry "abc": its value is not the text/],
])('a file of persisted operations that %s is reported in one sentence', async (_name, text, words) => {
  const path = join(folder, `bad-${_name.replaceAll(' ', '-')}.json`)
  if (text !== null) await writeFile(path, text)
  const failed = await readPersistedOperations(path).catch((error: Error) => error)
  expect(failed).toMatchObject({ name: 'ConfigError', message: expect.stringMatching(words) })
  expect((failed as Error).message).not.toContain('\n')
})

test('a server whose file of persisted operations is bad does not start, and says so', async () => {
  const { url } = servers.production.database
  const run = runCommand(['serve'], {
    ...PRODUCTION,
    DATABASE_URL: url,
    PORT: '0',
    PERSISTED_OPERATIONS: join(folder, 'none.json'),
  })
  expect(await run.waitForExit()).toBe(1)
  // In production everything on the console is JSON.
  expect(run.stdout() + run.stderr()).toMatch(/"PERSISTED_OPERATIONS: [^"]*none\.json cannot be read\."/)
})
