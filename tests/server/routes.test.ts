import { expect, test } from 'vitest'
import { PATIENCE_MS } from '../support/patience.ts'
import { signUp } from '../support/rights.ts'
import { useServer } from '../support/server.ts'

const server = useServer()

test('the server is healthy, shows GraphiQL to a browser, and sends others to GraphQL', async () => {
  const get = (path: string, accept = '*/*') =>
    fetch(server.address + path, { headers: { accept }, redirect: 'manual', signal: AbortSignal.timeout(PATIENCE_MS) })
  const health = await get('/health')
  expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }])
  const root = await get('/')
  expect([root.status, root.headers.get('location')]).toEqual([302, '/graphql'])
  const page = await get('/graphql', 'text/html,application/xhtml+xml')
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  expect(await page.text()).toContain('<title>Thesaurum')
  expect((await get('/nowhere')).status).toBe(404)
})

test.each([
  ['text/html', true],
  ['TEXT/HTML; q=0.1, application/json', true],
  ['image/png, text/html;level=1', true],
  ['*/*', false],
  ['text/html;q=0, */*', false],
  ['application/xhtml+xml', false],
  ['application/json;of="text/html"', false],
])('who accepts %s is shown GraphiQL: %s', async (accept, isShown) => {
  const url = `${server.address}/graphql?query={__typename}`
  const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(PATIENCE_MS) })
  expect(response.headers.get('content-type')?.startsWith('text/html') ?? false).toBe(isShown)
})

test('metrics are for whoever runs the ledger, and tell what waits and what watches', async () => {
  const get = (headers: Record<string, string>) => fetch(`${server.address}/metrics`, { headers })
  const ada = await signUp(server, 'ada')
  for (const headers of [{}, ada.authorization, { authorization: 'Bearer nonsense' }]) {
    const refused = await get(headers)
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect(await refused.text()).not.toContain('thesaurum_')
  }
  const told = await get(server.authorization)
  expect([told.status, told.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  expect(await told.text()).toMatch(/^thesaurum_account_subscribers 0$[\s\S]*^thesaurum_watched_tokens 0$/m)
})
