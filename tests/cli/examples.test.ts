import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as apolloClient from '../../examples/apollo-client.ts'
import * as eventStream from '../../examples/event-stream.ts'
import * as graphqlWs from '../../examples/graphql-ws.ts'
import * as urql from '../../examples/urql.ts'
import type { Entry } from '../../examples/watch.ts'
import { runCommand } from '../support/command-line.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/* The examples for clients: each begins at a balance and has every entry after it, while its server goes away and comes back. */

let database: TestDatabase
let server: TestServer
beforeAll(async () => {
  database = await openTestDatabase()
  server = await openTestServer({}, database)
})
afterAll(async () => {
  await server.close()
  await database.close()
})

async function createUser(): Promise<string> {
  const { data } = await server.ask(
    `mutation { createUser(input: { email: "${randomUUID()}@example.com" }) { ... on CreateUserSuccess { user { id } } } }`,
  )
  return data.createUser.user.id
}

const deposit = (accountId: string, amount = 1) =>
  server.ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${accountId}", amount: ${amount} }) { __typename } }`,
  )

async function restart(meanwhile: () => Promise<unknown>): Promise<void> {
  const { port } = new URL(server.address)
  await server.close()
  await meanwhile()
  server = await openTestServer({ PORT: port }, database)
}

describe.each(Object.entries({ graphqlWs, apolloClient, urql, eventStream }))('%s', (_name, { watchAccount }) => {
  test('has each entry once and in order, from the balance it began at on, through three restarts', async () => {
    const accountId = await createUser()
    await deposit(accountId, 500)
    const stop = new AbortController()
    const balances: string[] = []
    const entries: Entry[] = []
    const watching = watchAccount({
      endpoint: server.endpoint,
      accountId,
      token: server.token,
      signal: stop.signal,
      onBalance: ({ amount }) => balances.push(amount),
      onEntry: (entry) => entries.push(entry),
    })
    watching.catch(() => {})
    onTestFinished(() => stop.abort())
    const seen = (count: number) =>
      vi.waitFor(() =>
        expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: count }, (_, at) => at + 2)),
      )
    await vi.waitFor(() => expect(balances).toEqual(['500']))
    let count = 0
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 5; at++) await deposit(accountId)
      count += 5
      await seen(count)
      // What is posted while it is away is there when it comes back.
      const other = await openTestServer({}, database)
      await restart(async () => {
        for (let at = 0; at < 5; at++)
          await other.ask(
            `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${accountId}", amount: 1 }) { __typename } }`,
          )
      })
      await other.close()
      count += 5
      await seen(count)
    }
    expect(entries.at(-1)).toMatchObject({ change: '1', balanceAfter: String(500 + count) })
    stop.abort()
    await watching.catch((error) => {
      if (!/abort/i.test(String(error))) throw error
    })
  })
})

test.each(Object.entries({ graphqlWs, apolloClient, urql, eventStream }))(
  '%s gives up when its cursor is void, and says why',
  async (_name, { watchAccount }) => {
    const accountId = await createUser()
    const stop = new AbortController()
    onTestFinished(() => stop.abort())
    let begun = false
    const entries: Entry[] = []
    const watching = watchAccount({
      endpoint: server.endpoint,
      accountId,
      token: server.token,
      signal: stop.signal,
      onBalance: () => {
        begun = true
      },
      onEntry: (entry) => entries.push(entry),
    })
    const failure = watching.then(
      () => undefined,
      (error) => error,
    )
    await vi.waitFor(() => expect(begun).toBe(true))
    await deposit(accountId)
    await vi.waitFor(() => expect(entries).toHaveLength(1))
    await restart(() => database.pool.query('update private.ledger set era = gen_random_uuid()'))
    expect(await failure).toMatchObject({ message: expect.stringContaining('before the ledger was restored') })
  },
)

test.each(['graphql-ws', 'apollo-client', 'urql', 'event-stream'])('%s runs from the command line', async (name) => {
  const accountId = await createUser()
  await deposit(accountId, 7)
  const run = runCommand([server.endpoint, accountId], { THESAURUM_TOKEN: server.token }, [
    '--import',
    'tsx',
    `examples/${name}.ts`,
  ])
  await run.waitFor(/balance 7/)
  await deposit(accountId, 3)
  await run.waitFor(/entry 2 3 balance 10/)
  run.child.kill('SIGINT')
  expect(await run.waitForExit()).toBe(0)
})

test('without a token an example says in a sentence what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-example-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const program = ['--import', import.meta.resolve('tsx'), resolve('examples/event-stream.ts')]
  const run = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...program, ...words], {
      cwd: folder,
      env: {},
      encoding: 'utf8',
    })
    return { status, stdout, stderr }
  }
  expect(run(server.endpoint, 'account_1')).toEqual({
    status: 1,
    stdout: '',
    stderr:
      'There is no token in .data/operator-token. Run this in the folder where you ran `npm start`, or set THESAURUM_TOKEN to a token.\n',
  })
  expect(run()).toEqual({
    status: 1,
    stdout: '',
    stderr: 'Give the endpoint (http://localhost:4000/graphql) and the id of an account.\n',
  })
})

test.each(['graphql-ws', 'apollo-client', 'urql', 'event-stream'])(
  '%s says in a sentence that its token is invalid',
  async (name) => {
    const run = runCommand([server.endpoint, 'account_1'], { THESAURUM_TOKEN: 'thesaurum_session_none' }, [
      '--import',
      'tsx',
      `examples/${name}.ts`,
    ])
    expect(await run.waitForExit()).toBe(1)
    expect(run.stderr().trim()).toMatch(/^[^\n]*(token|401)[^\n]*$/)
  },
)
