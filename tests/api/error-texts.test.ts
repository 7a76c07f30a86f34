import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestServer, type TestServer } from '../support/server.ts'

/* Errors that say what to do next. */

let folder: string
let servers: Record<'development' | 'elsewhere', TestServer>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thesaurum-texts-'))
  const development = await openTestServer({ NODE_ENV: 'development', DATA_DIR: folder })
  servers = { development, elsewhere: await openTestServer({}, development.database) }
})

afterAll(async () => {
  await servers.elsewhere.close()
  await servers.development.close()
  await rm(folder, { recursive: true, force: true })
})

const messageFor = async (server: TestServer, headers: Record<string, string>) => {
  const { errors } = await server.ask('{ ledger { userCount } }', {}, headers)
  return [errors?.[0]?.extensions.code, errors?.[0]?.message]
}

describe.each(['development', 'elsewhere'] as const)('%s', (where) => {
  const hint = () =>
    where === 'development' ? ` In development the demo operator's token is in ${join(folder, 'operator-token')}.` : ''

  test('without a token the header is named', async () => {
    expect(await messageFor(servers[where], {})).toEqual([
      'UNAUTHENTICATED',
      `Sign in first: send a token in the header \`Authorization: Bearer <token>\`.${hint()}`,
    ])
  })

  test('a token without its scheme is told how the header looks', async () => {
    for (const authorization of [servers[where].token, `Token ${servers[where].token}`, 'Bearer', 'Basic YTpi']) {
      expect(await messageFor(servers[where], { authorization })).toEqual([
        'UNAUTHENTICATED',
        `The Authorization header must be \`Bearer <token>\`.${hint()}`,
      ])
    }
  })

  test('a token that gives nothing is told so', async () => {
    expect(await messageFor(servers[where], { authorization: 'Bearer none' })).toEqual([
      'UNAUTHENTICATED',
      `Invalid or expired token. Sign in again without it, and send the new one.${hint()}`,
    ])
  })
})

test('an account that does not exist has one sentence, in a posting and in a subscription', async () => {
  const nobody = `account_${randomUUID()}`
  const posted = await servers.elsewhere.ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${nobody}", amount: 1 }) {
      ... on AccountNotFoundError { code message } } }`,
  )
  const { errors } = await servers.elsewhere.ask(`subscription { entryPosted(accountId: "${nobody}") { id } }`)
  expect(errors).toMatchObject([
    {
      message: posted.data.deposit.message,
      extensions: { code: 'ACCOUNT_NOT_FOUND', fields: [{ path: 'accountId' }] },
    },
  ])
})
