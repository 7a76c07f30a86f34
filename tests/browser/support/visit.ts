import type { Browser, BrowserContext, Page } from 'playwright-core'

/** One person at GraphiQL: a browser profile of their own, and all that went wrong in it. */
export interface Visit {
  page: Page
  /** Addresses asked for outside the server; they were refused. */
  foreignRequests: string[]
  /** Console errors and warnings, uncaught exceptions and violations of the content security policy. */
  complaints: string[]
  /** Opens GraphiQL and waits until it knows the schema. */
  open(): Promise<void>
  /** Takes the place of all that is in an editor: the one for queries, if it is not said. */
  write(text: string, editor?: 'Variables'): Promise<void>
  /** Clicks into the query editor and presses Ctrl-Enter. */
  run(): Promise<void>
  /** Chooses an operation from the menu of the button, which there is when the document has several. */
  choose(operationName: string): Promise<void>
  /** The text of an editor, as the reader sees it. */
  read(editor: 'Operation Editor' | 'Headers' | 'Response'): Promise<string>
  close(): Promise<void>
}

/** `canCache`: playwright turns the browser's cache off where it watches over requests, so such a visit is only recorded. */
export async function startVisit(browser: Browser, url: string, { canCache = false } = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } })
  const { origin } = new URL(url)
  const isForeign = (address: string) => /^(https?|wss?):/.test(address) && new URL(address).origin !== origin
  const foreignRequests: string[] = []
  if (canCache) recordForeign(context, isForeign, foreignRequests)
  else {
    await context.route(isForeignUrl(isForeign), (route) => {
      foreignRequests.push(route.request().url())
      return route.abort()
    })
  }
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.addInitScript(`addEventListener('securitypolicyviolation', (event) =>
    console.error('policy violation', event.violatedDirective, event.blockedURI))`)

  return {
    page,
    foreignRequests,
    complaints,
    async open() {
      const introspected = page.waitForResponse((response) => response.request().method() === 'POST')
      await page.goto(url)
      await introspected
      await page.locator('.graphiql-execute-button').waitFor()
      await page.locator('[aria-label="Operation Editor"] .view-line').first().waitFor()
    },
    async write(text, editor) {
      await page
        .locator(`[aria-label="${editor ?? 'Operation Editor'}"] .monaco-editor`)
        .filter({ visible: true })
        .click()
      await page.keyboard.press('Control+A')
      await page.keyboard.insertText(text)
      // GraphiQL knows what it would run a moment later; then its tab has the name.
      const [, name] = /\b(?:query|mutation|subscription) (\w+)/.exec(text) ?? []
      if (name) await page.locator('.graphiql-tab-button').getByText(name, { exact: true }).waitFor()
    },
    async run() {
      await page.locator('[aria-label="Operation Editor"] .monaco-editor').click()
      await page.keyboard.press('Control+Enter')
    },
    async choose(operationName) {
      await page.locator('.graphiql-execute-button').click()
      await page.getByRole('menuitem', { name: operationName }).click()
    },
    async read(editor) {
      if (editor === 'Headers') await page.getByRole('button', { name: 'Headers', exact: true }).click()
      const selector = editor === 'Response' ? '.result-window' : `[aria-label="${editor}"]`
      // Monaco draws spaces as no-break spaces, and its lines in no particular order.
      const lines = await page.locator(`${selector} .view-line`).all()
      const placed = await Promise.all(
        lines.map(async (line) => ({
          top: (await line.boundingBox())?.y ?? 0,
          text: (await line.textContent()) ?? '',
        })),
      )
      return placed
        .sort((one, other) => one.top - other.top)
        .map(({ text }) => text.replaceAll('\u00a0', ' '))
        .join('\n')
    },
    close: () => context.close(),
  }
}

const isForeignUrl = (isForeign: (address: string) => boolean) => (url: URL) => isForeign(url.href)

function recordForeign(context: BrowserContext, isForeign: (address: string) => boolean, found: string[]): void {
  context.on('request', (request) => {
    if (isForeign(request.url())) found.push(request.url())
  })
}
