import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../support/command-line.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'

/* In production all that a server says is JSON. */

let database: TestDatabase
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

const serve = (environment: Record<string, string> = {}) =>
  runCommand(['serve'], {
    NODE_ENV: 'production',
    TRUSTED_PROXY_COUNT: '0',
    PORT: '0',
    LOG_LEVEL: 'info',
    DATABASE_URL: database.url,
    ...environment,
  })

// biome-ignore lint/suspicious/noExplicitAny: a line has what it has
const linesOf = (text: string): any[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('a start, a request and a stop are lines of JSON, without a word of GraphiQL', async () => {
  const run = serve()
  const [, address] = await run.waitFor(/"address":"(\S+?)"/)
  await fetch(address as string, { headers: { 'x-request-id': 'the-only-one' } })
  await run.waitFor(/the-only-one/)
  run.child.kill('SIGTERM')
  expect(await run.waitForExit()).toBe(0)
  expect(linesOf(run.stdout()).map(({ msg }) => msg)).toEqual(['Thesaurum is ready', 'request', 'stopping'])
  expect(run.stdout()).not.toMatch(/graphiql/i)
  expect(run.stderr()).toBe('')
})

test('a start that fails is one too, and says why', async () => {
  const run = serve({ DATABASE_URL: database.url.replace(/[^/]*$/, `nowhere_${randomUUID()}`) })
  expect(await run.waitForExit()).not.toBe(0)
  expect(linesOf(run.stdout())).toMatchObject([{ level: 60, msg: expect.stringContaining('does not exist') }])
  expect(run.stderr()).toBe('')
})
