import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { openTestServer, type TestServer } from '../support/server.ts'
import { openChromium } from './support/chromium.ts'
import { openPageServer } from './support/page-server.ts'
import { type Requests, recordRequests, type SeenRequest } from './support/requests.ts'
import { startVisit, type Visit } from './support/visit.ts'

const WAIT = { timeout: 15_000 }

let browser: Browser
/** The real server, with the demo story in its ledger. */
let server: TestServer
/** Of the demo operator's token, which the page has for a browser of this machine. */
let dataDir: string
let requests: Requests
const closers: (() => Promise<void>)[] = []

beforeAll(async () => {
  browser = await openChromium()
  dataDir = await mkdtemp(join(tmpdir(), 'thesaurum-browser-'))
  server = await openTestServer({ NODE_ENV: 'development', DATA_DIR: dataDir })
})

beforeEach(() => {
  requests = recordRequests(server.address)
})

afterEach(async () => {
  requests.stop()
  for (const close of closers.splice(0).reverse()) await close()
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
  await rm(dataDir, { recursive: true, force: true })
})

test('opens with the first query to try and asks no one but its own server', async () => {
  const visit = await visitServer()
  await visit.open()
  expect(await visit.page.title()).toBe('Thesaurum')
  await vi.waitFor(async () => expect(await visit.read('Operation Editor')).toContain('# Welcome to Thesaurum'), WAIT)
  // The workers are what a content security policy breaks first; without one, monaco complains on the console.
  await vi.waitFor(() => expect(answeredWorkers()).toEqual(WORKERS), WAIT)
  await saveScreenshot(visit, 'opened')
  expectNoErrors(visit)
})

test('the first Ctrl-Enter, with no click before it, shows an account and its history', async () => {
  const visit = await visitServer()
  await visit.open()
  await vi.waitFor(
    async () =>
      expect(await visit.page.evaluate('document.activeElement?.closest("[aria-label]")?.ariaLabel')).toBeTruthy(),
    WAIT,
  )
  await visit.page.keyboard.press('Control+Enter')
  await vi.waitFor(async () => expect(await visit.read('Response')).toContain('"balanceAfter": "178755"'), WAIT)
  const response = await visit.read('Response')
  expect(response).toContain('"formatted": "$1,787.55"')
  expect(response).not.toContain('"errors"')
  await saveScreenshot(visit, 'answered')
  expectNoErrors(visit)
})

test('the other operations of the welcome watch her account and pay into it', async () => {
  const id = await idOf('ada@example.com')
  const watching = await visitServer()
  await watching.open()
  await watching.write(`{ "id": "${id}" }`, 'Variables')
  await watching.choose('Watch')
  await vi.waitFor(() => expect(streams()).toHaveLength(1), WAIT)

  const paying = await visitServer()
  await paying.open()
  await paying.write(`{ "id": "${id}" }`, 'Variables')
  await paying.choose('Deposit')
  await vi.waitFor(async () => expect(await paying.read('Response')).toContain('"replayed": false'), WAIT)
  await vi.waitFor(async () => expect(await watching.read('Response')).toContain('"change": "250"'), WAIT)
  await paying.choose('Deposit')
  await vi.waitFor(async () => expect(await paying.read('Response')).toContain('"replayed": true'), WAIT)
  await saveScreenshot(watching, 'watching')
  expectNoErrors(watching)
  expectNoErrors(paying)
})

test('shows the entries of a subscription as they come, over SSE, until it is stopped', async () => {
  const accountId = await idOf('linus@example.com')
  const visit = await visitServer()
  await visit.open()
  await visit.write(`subscription Own { entryPosted(accountId: "${accountId}") { sequence change } }`)
  await visit.run()
  await vi.waitFor(() => expect(streams()).toHaveLength(1), WAIT)
  for (const amount of [41, 42, 43]) {
    await deposit(accountId, amount)
    await vi.waitFor(async () => expect(await visit.read('Response')).toContain(`"change": "${amount}"`), WAIT)
  }
  await saveScreenshot(visit, 'subscribed')

  const [stream] = streams() as [SeenRequest]
  expect(stream).toMatchObject({ method: 'POST', url: '/graphql' })
  expect(stream.response.closed).toBe(false)
  await visit.page.locator('.graphiql-execute-button').click()
  await vi.waitFor(() => expect(stream.response.closed).toBe(true), WAIT)
  expectNoErrors(visit)
})

test('runs what is typed, and keeps it out of the URL', async () => {
  const visit = await visitServer()
  await visit.open()
  await visit.write('query Mine { ledger { totals { deposited balances } } }')
  await visit.run()
  await vi.waitFor(async () => expect(await visit.read('Response')).toContain('"deposited": "'), WAIT)
  const stored = () => visit.page.evaluate<Record<string, string>>('({ ...localStorage })')
  await vi.waitFor(async () => expect(JSON.stringify(await stored())).toContain('query Mine'), WAIT)
  expect(Object.keys(await stored()).filter((key) => !key.startsWith('thesaurum:'))).toEqual([])
  expect(visit.page.url()).toBe(server.endpoint)

  // The next visit finds the query again.
  await visit.open()
  await vi.waitFor(async () => expect(await visit.read('Operation Editor')).toContain('query Mine'), WAIT)
  expect(requests.seen.filter(({ method, url }) => method === 'GET' && url.includes('?'))).toEqual([])
  expectNoErrors(visit)
})

test('completes fields and shows the documentation, from introspection', async () => {
  const visit = await visitServer()
  await visit.open()
  await visit.page.getByLabel('Show Documentation Explorer').click()
  await visit.page.locator('.graphiql-doc-explorer').getByRole('link', { name: 'Query', exact: true }).click()
  await visit.page.getByText('The ledger as a whole.').first().waitFor()
  await saveScreenshot(visit, 'documentation')

  await visit.write('{ ledger {  } }')
  for (let step = 0; step < 4; step++) await visit.page.keyboard.press('ArrowLeft')
  await visit.page.keyboard.press('Control+Space')
  await visit.page.locator('.suggest-widget').getByText('transactionCount', { exact: true }).first().waitFor()
  expectNoErrors(visit)
})

test('a second visit fetches no asset again', async () => {
  const visit = await visitServer(server.endpoint, { canCache: true })
  await visit.open()
  await vi.waitFor(() => expect(answeredWorkers()).toEqual(WORKERS), WAIT)
  const seenBefore = requests.seen.length
  await visit.open()
  const seenAgain = () => requests.seen.slice(seenBefore)
  await vi.waitFor(() => expect(seenAgain().some(({ method }) => method === 'POST')).toBe(true), WAIT)
  // The page itself comes again: a POST to /graphql drops what a browser keeps of GET /graphql (RFC 9111 section 4.4).
  const fetched = seenAgain().filter(({ method }) => method === 'GET')
  expect(fetched.map(({ url }) => url)).toEqual(['/graphql'])
  expectNoErrors(visit)
})

test('a token in the header editor is sent with queries and subscriptions, and never stored', async () => {
  const token = 'Bearer demo'
  const page = await openPageServer({ visitorHeaders: `{\n  "Authorization": "${token}"\n}` })
  closers.push(page.close)
  const own = recordRequests(page.endpoint)
  closers.push(async () => own.stop())
  const visit = await visitServer(page.endpoint)
  await visit.open()
  await visit.write('query Mine { ledger { userCount } }')
  await visit.run()
  await vi.waitFor(async () => expect(await visit.read('Response')).toContain('"userCount": 0'), WAIT)
  await visit.write(`subscription Own { entryPosted(accountId: "account_${randomUUID()}") { sequence } }`)
  await visit.run()
  await vi.waitFor(async () => expect(await visit.read('Response')).toContain('ACCOUNT_NOT_FOUND'), WAIT)

  const stored = () => visit.page.evaluate<Record<string, string>>('({ ...localStorage })')
  await vi.waitFor(async () => expect(JSON.stringify(await stored())).toContain('subscription Own'), WAIT)
  expect(JSON.stringify(await stored())).not.toContain('demo')
  // Though no token was stored, the next visit has the one that the server hands out.
  await visit.open()
  await vi.waitFor(async () => expect(await visit.read('Headers')).toContain(token), WAIT)
  const posts = own.seen.filter(({ method }) => method === 'POST')
  expect(posts.some(({ headers }) => headers.accept === 'text/event-stream')).toBe(true)
  expect(posts.map(({ headers }) => headers.authorization)).toEqual(posts.map(() => token))
  expectNoErrors(visit)
})

test('writes title, query and headers as text, whatever they hold', async () => {
  const hostile = '</script><img src=x onerror="document.title=1"><!--<script>'
  const page = await openPageServer({
    title: hostile,
    defaultQuery: `# ${hostile}\n{ ledger { userCount } }`,
    defaultHeaders: JSON.stringify({ note: hostile }),
  })
  closers.push(page.close)
  const visit = await visitServer(page.endpoint)
  await visit.open()
  expect(await visit.page.title()).toBe(hostile)
  expect(await visit.page.locator('.graphiql-logo').textContent()).toBe(hostile)
  await vi.waitFor(async () => expect(await visit.read('Operation Editor')).toContain('</script><img'), WAIT)
  expect(await visit.page.locator('img').count()).toBe(0)
  expectNoErrors(visit)
})

test('the policy lets nothing out, and these tests would have noticed', async () => {
  const visit = await visitServer()
  await visit.open()
  await visit.page.evaluate(`fetch('https://elsewhere.test/').catch(() => {})`)
  await visit.page.evaluate(`document.body.append(Object.assign(new Image(), { src: 'https://elsewhere.test/i.png' }))`)
  await visit.page.evaluate(`document.body.append(Object.assign(document.createElement('script'), { text: '1' }))`)
  const violated = ['connect-src', 'img-src', 'script-src-elem']
  await vi.waitFor(() => {
    for (const directive of violated) expect(visit.complaints.join('\n')).toContain(`policy violation ${directive}`)
  }, WAIT)
  expect(visit.foreignRequests).toEqual([])
})

async function visitServer(endpoint = server.endpoint, how?: { canCache: boolean }): Promise<Visit> {
  const visit = await startVisit(browser, endpoint, how)
  closers.push(visit.close)
  return visit
}

async function idOf(email: string): Promise<string> {
  const { data } = await server.ask('query ($email: String!) { user(email: $email) { id } }', { email })
  return data.user.id
}

async function deposit(accountId: string, amount: number): Promise<void> {
  const { data } = await server.ask(
    'mutation ($input: DepositInput!) { deposit(input: $input) { ... on DepositSuccess { replayed } } }',
    { input: { idempotencyKey: randomUUID(), accountId, amount } },
  )
  expect(data.deposit).toEqual({ replayed: false })
}

/** The event streams that were answered. */
const streams = () =>
  requests.seen.filter(({ headers, response }) => headers.accept === 'text/event-stream' && response.headersSent)

const WORKERS = ['editor-worker', 'graphql-worker', 'json-worker']

/** The workers that were answered in full. */
const answeredWorkers = () =>
  WORKERS.filter((name) =>
    requests.seen.some(
      ({ url, response }) => url.includes(name) && response.statusCode === 200 && response.writableFinished,
    ),
  )

function expectNoErrors(visit: Visit): void {
  expect(visit.complaints).toEqual([])
  expect(visit.foreignRequests).toEqual([])
}

/** For a person to look at: SCREENSHOTS=folder npm run test:browser. */
async function saveScreenshot(visit: Visit, name: string): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (folder) await visit.page.screenshot({ path: `${folder}/graphiql-${name}.png` })
}
