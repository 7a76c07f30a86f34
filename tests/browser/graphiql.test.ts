import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { openChromium } from './support/chromium.ts'
import { openSampleServer, type SampleServer, type SampleServerOptions } from './support/sample-server.ts'
import { startVisit, type Visit } from './support/visit.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const demoToken = 'Bearer demo'
const demoHeaders = `{\n  "Authorization": "${demoToken}"\n}`
const defaultQuery = `# Who am I? Press Ctrl-Enter.
query Me {
  viewer { id balance }
}
`
const watch = 'subscription Watch { entryPosted(userId: "user_1") { sequence } }'

let browser: Browser
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  browser = await openChromium()
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

afterAll(() => browser?.close())

test('opens with the first query to try and asks no one but its own server', async () => {
  const { server, visit } = await visitServer({ visitorHeaders: demoHeaders })
  await visit.open()

  expect(await visit.page.title()).toBe('Thesaurum')
  await vi.waitFor(async () => expect(await visit.read('Operation Editor')).toContain('# Who am I? Press Ctrl-Enter.'))
  expect(await visit.read('Headers')).toContain(demoToken)
  // The workers are what a content security policy breaks first; without one, monaco complains on the console.
  await vi.waitFor(() => {
    for (const name of ['editor-worker', 'graphql-worker', 'json-worker']) {
      expect(server.requests.some(({ url, status }) => url.includes(name) && status === 200)).toBe(true)
    }
  })
  await saveScreenshot(visit, 'opened')
  expectUntroubled(visit)
})

test('runs what is typed with the header editor, keeps the token out of storage and the query out of the URL', async () => {
  const { server, visit } = await visitServer({ visitorHeaders: demoHeaders })
  await visit.open()
  await visit.write('query Mine { viewer { balance } }')
  await visit.run()
  await vi.waitFor(
    async () => expect(await visit.read('Response')).toContain('"balance": "12345678901234567890"'),
    10_000,
  )
  await saveScreenshot(visit, 'answered')

  const stored = () => visit.page.evaluate<Record<string, string>>('({ ...localStorage })')
  await vi.waitFor(async () => expect(JSON.stringify(await stored())).toContain('query Mine'), 10_000)
  expect(JSON.stringify(await stored())).not.toContain('demo')
  expect(Object.keys(await stored()).filter((key) => !key.startsWith('thesaurum:'))).toEqual([])
  expect(visit.page.url()).toBe(server.url)

  // The next visit finds the query again and, though no token was stored, the token the server hands out.
  await visit.open()
  await vi.waitFor(async () => expect(await visit.read('Operation Editor')).toContain('query Mine'), 10_000)
  await visit.run()
  await vi.waitFor(async () => expect(await visit.read('Response')).toContain('12345678901234567890'), 10_000)
  expect(server.requests.filter(({ method, url }) => method === 'GET' && url.includes('?'))).toEqual([])
  expectUntroubled(visit)
})

test('completes fields and shows the documentation, from introspection', async () => {
  const { visit } = await visitServer({})
  await visit.open()
  await visit.page.getByLabel('Show Documentation Explorer').click()
  await visit.page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'Query', exact: true }).click()
  await visit.page.getByText('Whoever the token belongs to; null without one.').first().waitFor()
  await saveScreenshot(visit, 'documentation')

  await visit.write('{ viewer {  } }')
  for (let step = 0; step < 4; step++) await visit.page.keyboard.press('ArrowLeft')
  await visit.page.keyboard.press('Control+Space')
  await visit.page.locator('.suggest-widget').getByText('balance', { exact: true }).first().waitFor()
  expectUntroubled(visit)
})

test('shows the entries of a subscription as they come, over SSE, until it is stopped', async () => {
  const { server, visit } = await visitServer({ visitorHeaders: demoHeaders })
  await visit.open()
  await visit.write(watch)
  await visit.run()
  const seen = new Set<string>()
  await vi.waitFor(async () => {
    const sequence = /"sequence": (\d+)/.exec(await visit.read('Response'))?.[1]
    if (sequence) seen.add(sequence)
    expect(seen.size).toBeGreaterThanOrEqual(2)
  }, 10_000)
  expect(server.openSubscriptions()).toBe(1)
  await saveScreenshot(visit, 'subscribed')

  await visit.page.locator('.graphiql-execute-button').click()
  await vi.waitFor(() => expect(server.openSubscriptions()).toBe(0), 10_000)
  const subscription = server.requests.find(({ headers }) => headers.accept === 'text/event-stream')
  expect(subscription).toMatchObject({ method: 'POST', url: '/graphql', headers: { authorization: demoToken } })
  expectUntroubled(visit)
})

test('a second visit fetches no asset again', async () => {
  const { server, visit } = await visitServer({}, { canCache: true })
  await visit.open()
  await vi.waitFor(() => expect(server.requests.some(({ url }) => url.includes('graphql-worker'))).toBe(true), 10_000)
  const seenBefore = server.requests.length
  await visit.open()
  await vi.waitFor(() => expect(server.requests.slice(seenBefore).some(({ method }) => method === 'POST')).toBe(true))
  // The page itself comes again: a POST to /graphql drops what a browser keeps of GET /graphql (RFC 9111 section 4.4).
  const fetched = server.requests.slice(seenBefore).filter(({ method }) => method === 'GET')
  expect(fetched.map(({ url }) => url)).toEqual(['/graphql'])
  expectUntroubled(visit)
})

test('writes title, query and headers as text, whatever they hold', async () => {
  const hostile = '</script><img src=x onerror="document.title=1"><!--<script>'
  const { visit } = await visitServer({
    title: hostile,
    defaultQuery: `# ${hostile}\n{ viewer { id } }`,
    defaultHeaders: JSON.stringify({ note: hostile }),
  })
  await visit.open()
  expect(await visit.page.title()).toBe(hostile)
  expect(await visit.page.locator('.graphiql-logo').textContent()).toBe(hostile)
  await vi.waitFor(async () => expect(await visit.read('Operation Editor')).toContain('</script><img'))
  expect(await visit.page.locator('img').count()).toBe(0)
  expectUntroubled(visit)
})

test('the policy lets nothing out, and these tests would have noticed', async () => {
  const { visit } = await visitServer({})
  await visit.open()
  await visit.page.evaluate(`fetch('https://elsewhere.test/').catch(() => {})`)
  await visit.page.evaluate(`document.body.append(Object.assign(new Image(), { src: 'https://elsewhere.test/i.png' }))`)
  await visit.page.evaluate(`document.body.append(Object.assign(document.createElement('script'), { text: '1' }))`)
  const violated = ['connect-src', 'img-src', 'script-src-elem']
  await vi.waitFor(() => {
    for (const directive of violated) expect(visit.complaints.join('\n')).toContain(`policy violation ${directive}`)
  })
  expect(visit.foreignRequests).toEqual([])
})

async function visitServer(
  options: Partial<SampleServerOptions>,
  how?: { canCache: boolean },
): Promise<{ server: SampleServer; visit: Visit }> {
  const server = await openSampleServer({ defaultQuery, ...options })
  closers.push(server.close)
  const visit = await startVisit(browser, server.url, how)
  closers.push(visit.close)
  return { server, visit }
}

function expectUntroubled(visit: Visit): void {
  expect(visit.complaints).toEqual([])
  expect(visit.foreignRequests).toEqual([])
}

/** For a person to look at: SCREENSHOTS=folder npm run test:browser. */
async function saveScreenshot(visit: Visit, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (folder) await visit.page.screenshot({ path: `${folder}/graphiql-${name}.png` })
}
