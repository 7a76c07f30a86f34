import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestServer, type TestServer } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await openTestServer()
})

afterAll(() => server.close())

test('the server is healthy, shows GraphiQL to a browser, and sends others to GraphQL', async () => {
  const get = (path: string, accept = '*/*') =>
    fetch(server.address + path, { headers: { accept }, redirect: 'manual', signal: AbortSignal.timeout(10_000) })
  const health = await get('/health')
  expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }])
  const root = await get('/')
  expect([root.status, root.headers.get('location')]).toEqual([302, '/graphql'])
  const page = await get('/graphql', 'text/html,application/xhtml+xml')
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(await page.text()).toContain('<title>Thesaurum')
  expect((await get('/nowhere')).status).toBe(404)
})
