import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { breakReads } from '../support/faults.ts'
import { openProxy } from '../support/proxy.ts'
import { openTestServer, serverForTest, type TestServer } from '../support/server.ts'

async function open(environment: Parameters<typeof openTestServer>[0] = {}): Promise<TestServer> {
  const server = await serverForTest(environment)
  return server
}

async function answerOf(server: TestServer, path: string): Promise<[number, unknown]> {
  const response = await fetch(server.address + path)
  return [response.status, await response.json()]
}

const READY = [200, { status: 'ok' }]
const failing = (check: string) => [503, { status: 'unavailable', failing: check }]
/** What is known is good for half a second. */
const soon = (server: TestServer, answer: unknown) =>
  vi.waitFor(async () => expect(await answerOf(server, '/readyz')).toEqual(answer))

describe('/readyz', () => {
  test('names the check that fails, and says no more', async () => {
    const server = await open()
    expect(await answerOf(server, '/readyz')).toEqual(READY)
    const { pool } = server.database

    await pool.query('alter schema drizzle rename to away')
    await soon(server, failing('migrations'))
    await pool.query('alter schema away rename to drizzle')
    await soon(server, READY)

    const last = 'select id from drizzle.__drizzle_migrations order by created_at desc limit 1'
    await pool.query(`update drizzle.__drizzle_migrations set created_at = created_at - 1 where id = (${last})`)
    await soon(server, failing('migrations'))
    await pool.query(`update drizzle.__drizzle_migrations set created_at = created_at + 1 where id = (${last})`)
    await soon(server, READY)

    await pool.query('alter table transactions rename column amount to away')
    await soon(server, failing('migrations'))
    await pool.query('alter table transactions rename column away to amount')
    await soon(server, READY)

    const restore = await breakReads(server.database, 'public', 'transactions')
    await soon(server, failing('feed'))
    await restore()
    await soon(server, READY)
  })

  test('fails while the server shuts down, which then still answers', async () => {
    const server = await openTestServer({ SHUTDOWN_DELAY_MS: '3000' })
    expect(await answerOf(server, '/readyz')).toEqual(READY)
    const closed = server.close()
    expect(await answerOf(server, '/readyz')).toEqual(failing('shutdown'))
    expect(await answerOf(server, '/livez')).toEqual(READY)
    expect((await server.ask('{ __typename }')).data).toEqual({ __typename: 'Query' })
    await closed
  })
})

test('while the database is away, /livez goes on, and the log is bounded by the second', async () => {
  const server = await open()
  const proxy = await openProxy(server.database.url)
  onTestFinished(() => proxy.close())
  const far = await serverForTest({ DIRECT_DATABASE_URL: server.database.url }, { ...server.database, url: proxy.url })
  expect(await answerOf(far, '/readyz')).toEqual(READY)

  proxy.refuse(true)
  proxy.cutAll()
  await soon(far, failing('database'))
  expect(await answerOf(far, '/livez')).toEqual(READY)
  expect((await answerOf(far, '/health'))[0]).toBe(503)

  // Each with twenty fields that fail, for as long as the token is still believed and for longer.
  const before = far.errorLines().length
  const fields = Array.from({ length: 20 }, (_, index) => `f${index}: user(email: "${index}@example.com") { id }`)
  const begunAt = performance.now()
  await Promise.all(Array.from({ length: 300 }, () => far.ask(`{ ${fields.join(' ')} }`)))
  const lines = far.errorLines().slice(before)
  const seconds = Math.ceil((performance.now() - begunAt) / 1_000) + 1
  expect(lines.length).toBeGreaterThan(0)
  // Ten and one of each kind in a second: requests, tokens, the ledger's own work.
  expect(lines.length).toBeLessThanOrEqual(3 * 11 * seconds)
  expect(lines.join('').length / lines.length).toBeLessThan(4_000)

  proxy.refuse(false)
  await soon(far, READY)
})
