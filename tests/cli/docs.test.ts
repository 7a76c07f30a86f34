import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { access, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getOperationAST, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { openTestDatabase, type TestDatabase } from '../support/database.ts'
import { openStream } from '../support/graphql-transport.ts'
import { openTestServer, type TestServer } from '../support/server.ts'

/*
 * What the documents say is true: their operations run, their links lead somewhere, their tables are complete.
 *
 * On each page the operations run from top to bottom, as a reader would run them. A JSON block after an operation has its variables,
 * or, with `data` or `errors` in it, its answer. `<marie.user.id>` in a JSON block is what an earlier answer had there.
 */
describe('the README and the docs', { shuffle: false }, async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const TUTORIAL = 'docs/tutorial.md'
  const pages = [
    ...(await readdir(root)).filter((name) => name.endsWith('.md')),
    ...(await readdir(join(root, 'docs'))).map((name) => `docs/${name}`),
    'tests/hostile/README.md',
  ]
  const textOf = new Map<string, string>()
  for (const page of pages) textOf.set(page, await readFile(join(root, page), 'utf8'))
  const text = (page: string) => textOf.get(page) as string

  /** A block of code, under its heading. */
  interface Block {
    heading: string
    language: string
    text: string
  }

  const blocks = blocksOf(text(TUTORIAL))

  function blocksOf(page: string): Block[] {
    return page.split(/^##+ /m).flatMap((part) =>
      [...part.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
        heading: part.slice(0, part.indexOf('\n')),
        language,
        text,
      })),
    )
  }

  /** An operation with its variables and the answer that the page shows, both as JSON that may have `<…>` in it. */
  interface Example {
    document: string
    variables: string
    answer?: string
  }

  function examplesOf(page: string): Example[] {
    const examples: Example[] = []
    let last: Block | undefined
    for (const block of blocksOf(page)) {
      const example = last && last.heading === block.heading && examples.at(-1)
      if (block.language === 'graphql') {
        examples.push({ document: block.text, variables: '{}' })
        last = block
      } else if (block.language === 'json' && example) {
        const isAnswer = Object.keys(JSON.parse(block.text)).some((key) => key === 'data' || key === 'errors')
        if (isAnswer) example.answer = block.text
        else if (example.variables === '{}' && !example.answer) example.variables = block.text
        else examples.push({ document: example.document, variables: block.text })
      }
    }
    return [...examples, ...inlineDocumentsOf(page).map((document) => ({ document, variables: '{}' }))]
  }

  /** Operations in the middle of a sentence: `{ ledger { cursor } }`. */
  function inlineDocumentsOf(page: string): string[] {
    const spans = [...page.replaceAll(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span)
    return spans.filter((span) => {
      try {
        return /\{/.test(span) && getOperationAST(parse(span)) !== undefined
      } catch {
        return false
      }
    })
  }

  function block(heading: string, language: string, index = 0): string {
    const found = blocks.filter((one) => one.heading === heading && one.language === language)[index]
    if (!found) throw new Error(`the tutorial has no ${language} block ${index} under "${heading}"`)
    ran.add(found.text)
    return found.text
  }

  /** The blocks of the tutorial that a test has used. */
  const ran = new Set<string>()

  let database: TestDatabase
  let server: TestServer
  /** What a reader has after `npm start`: demo data, and the rights of an operator. */
  let demo: TestServer
  beforeAll(async () => {
    database = await openTestDatabase()
    server = await openTestServer({}, database)
    demo = await openTestServer({
      NODE_ENV: 'development',
      DATA_DIR: await mkdtemp(join(tmpdir(), 'thesaurum-docs-')),
    })
  })
  afterAll(async () => {
    await demo.close()
    await server.close()
    await database.close()
  })

  /** All that was answered so far; of two answers at one place, the later. */
  // biome-ignore lint/suspicious/noExplicitAny: a test knows what it asked for
  const answered: any = {}

  // biome-ignore lint/suspicious/noExplicitAny: see above
  function keep(earlier: any, answer: any) {
    for (const [name, value] of Object.entries<object>(answer ?? {})) {
      const isInBoth = isRecord(value) && isRecord(earlier[name])
      if (isInBoth) keep(earlier[name], value)
      else earlier[name] = structuredClone(value)
    }
  }

  const isRecord = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)

  /** Does what the tutorial says: `<marie.user.id>` is what an answer had at marie, user, id. */
  function filled(text: string): string {
    return text.replaceAll(/<([\w.]+)>/g, (_, path: string) => {
      // biome-ignore lint/suspicious/noExplicitAny: see above
      const value = path.split('.').reduce((at: any, name) => at?.[name], answered)
      if (typeof value !== 'string') throw new Error(`no answer so far had ${path}`)
      return value
    })
  }

  async function run(query: string, variables = '{}') {
    const { data, errors } = await server.ask(query, JSON.parse(filled(variables)))
    expect(errors).toBeUndefined()
    keep(answered, data)
    return data
  }

  /** Runs the operation under a heading with its first variables, word for word. */
  const runUnder = (heading: string) => {
    const hasVariables = blocks.some((one) => one.heading === heading && one.language === 'json')
    return run(block(heading, 'graphql'), hasVariables ? block(heading, 'json') : undefined)
  }

  /** What Marie's account gets in the tutorial after its section about balances: payroll, exchange, order and refund. */
  const SINCE_THE_CURSOR = ['3000', '-1000', '-4200', '2100']

  /** The deposit again, under a new key. */
  async function depositMore(amount: number) {
    const { input } = JSON.parse(filled(block('Bring money in', 'json')))
    const { data } = await server.ask(block('Bring money in', 'graphql'), {
      input: { ...input, idempotencyKey: randomUUID(), amount },
    })
    return data.deposit.entry
  }

  test('the tutorial runs from top to bottom', async () => {
    const { marie, emmy } = await runUnder('Make two users')
    expect(marie.user).toEqual({
      id: expect.stringMatching(/^user_/),
      account: { id: marie.user.id.replace('user_', 'account_'), currency: { code: 'USD', scale: 2 } },
    })
    expect(emmy.user.id).not.toBe(marie.user.id)

    const { deposit } = await runUnder('Bring money in')
    expect(deposit).toMatchObject({
      replayed: false,
      entry: { sequence: 1, change: '10000', formatted: '$100.00', balanceAfter: '10000' },
    })

    const { transfer } = await runUnder('Move it')
    expect(transfer).toMatchObject({ replayed: false, entry: { sequence: 2, change: '-2500', balanceAfter: '7500' } })
    expect((await runUnder('Move it')).transfer).toEqual({ ...transfer, replayed: true })
    const { input } = JSON.parse(filled(block('Move it', 'json')))
    const tooMuch = { input: { ...input, idempotencyKey: randomUUID(), amount: 7501 } }
    expect((await server.ask(block('Move it', 'graphql'), tooMuch)).data.transfer).toMatchObject({
      code: 'INSUFFICIENT_FUNDS',
      available: '7500',
      shortfall: '1',
    })

    const history = 'Page through the history'
    const newest = (await runUnder(history)).account.transactions
    expect(newest.edges).toMatchObject([
      {
        sequence: 2,
        direction: 'DEBIT',
        balanceAfter: '7500',
        node: { kind: 'TRANSFER' },
        counterparty: { owner: { email: 'emmy@example.org' } },
      },
    ])
    expect(newest.pageInfo.hasNextPage).toBe(true)
    const older = (await run(block(history, 'graphql'), block(history, 'json', 1))).account.transactions
    expect(older.edges).toMatchObject([{ sequence: 1, direction: 'CREDIT', balanceAfter: '10000', counterparty: null }])
    expect(older.pageInfo.hasNextPage).toBe(false)

    const { account } = await runUnder('Ask what the balance was')
    expect(account).toEqual({
      now: { amount: '7500', asOf: transfer.entry.createdAt, cursor: newest.edges[0].cursor },
      before: { amount: '10000', sequence: 1 },
    })

    const days = (await runUnder('See how it went')).account.balanceHistory
    expect(days[0]).toMatchObject({ start: deposit.entry.createdAt, opening: '0', credited: '10000', lowest: '0' })
    // Around midnight there may be two.
    expect(days.at(-1)).toMatchObject({ complete: false, closing: '7500' })

    const { transactions } = (await runUnder('Find an entry')).account
    expect(transactions).toMatchObject({ totalCount: 1, edges: [{ sequence: 2, change: '-2500' }] })

    const { login } = await runUnder('Sign in')
    expect(login).toMatchObject({ token: expect.stringMatching(/^thesaurum_session_/), user: { id: marie.user.id } })
    const mine = await server.ask(block('Sign in', 'graphql', 1), {}, { authorization: `Bearer ${login.token}` })
    expect(mine.data.viewer).toMatchObject({
      email: 'marie@example.org',
      role: 'USER',
      account: { balance: { amount: '7500', formatted: '75,00\u00a0$' } },
    })
    expect(mine.data.viewer.account.transactions.edges[0].counterparty).toEqual({
      id: emmy.user.account.id,
      publicName: null,
      owner: null,
    })

    const { postTransactions } = await runUnder('Post many at once')
    expect(postTransactions.results).toMatchObject([
      { replayed: false, entry: { sequence: 2, change: '500', balanceAfter: '3000' } },
      { replayed: false, entry: { sequence: 3, change: '-3000', balanceAfter: '0' } },
    ])

    const { euros, deskEuros, deskDollars } = await runUnder('Open an account in another currency')
    expect([euros, deskEuros, deskDollars]).toMatchObject([
      { account: { name: 'Travel', status: 'OPEN', currency: { code: 'EUR' } } },
      { account: { name: 'Exchange desk', currency: { code: 'EUR' } } },
      { account: { name: 'Exchange desk', currency: { code: 'USD' } } },
    ])

    const exchange = 'Exchange money'
    expect((await runUnder(exchange)).postTransactions.results).toEqual([
      { transaction: { formatted: '€100.00' } },
      { transaction: { formatted: '$10.00' } },
      { transaction: { formatted: '€9.20' } },
    ])
    const wallets = await run(block(exchange, 'graphql', 1), block(exchange, 'json', 1))
    expect({ data: wallets }).toEqual(JSON.parse(filled(block(exchange, 'json', 2))))

    const freezing = 'Freeze an account'
    expect((await runUnder(freezing)).setAccountStatus).toEqual({ account: { status: 'FROZEN' } })
    const spend = () => run(block(freezing, 'graphql', 1), block(freezing, 'json', 1))
    expect({ data: await spend() }).toEqual(JSON.parse(filled(block(freezing, 'json', 2))))
    const opening = JSON.parse(filled(block(freezing, 'json')))
    opening.input.status = 'OPEN'
    await server.ask(block(freezing, 'graphql'), opening)
    expect((await spend()).transfer).toEqual({ entry: { balanceAfter: '0' } })

    /** Runs an operation of a section, and expects the answer that follows its variables. */
    const runAsShown = async (heading: string, operation: number, variables: number) => {
      const data = await run(block(heading, 'graphql', operation), block(heading, 'json', variables))
      expect({ data }).toEqual(JSON.parse(filled(block(heading, 'json', variables + 1))))
    }
    const words = 'Say what it was for'
    expect((await runUnder(words)).order.transaction).toMatchObject({ description: 'Two blue jackets' })
    await runAsShown(words, 1, 1)

    const refunding = 'Refund a payment'
    await runAsShown(refunding, 0, 0)
    await runAsShown(refunding, 0, 2)

    const payout = 'Pay money out'
    await runAsShown(payout, 0, 0)
    await runAsShown(payout, 1, 2)
    const returned = { input: JSON.parse(filled(block(payout, 'json', 2))).input }
    const again = await server.ask(block(payout, 'graphql', 1), returned)
    expect(again.data.returned).toMatchObject({ replayed: true, entry: { change: '1500', balanceAfter: '2100' } })
    returned.input.idempotencyKey = randomUUID()
    const second = await server.ask(block(payout, 'graphql', 1), returned)
    expect(second.data.returned).toMatchObject({ code: 'REVERSAL_EXCEEDS', remaining: '0' })
    await runAsShown(payout, 2, 4)
  })

  test('the subscription of the tutorial brings an entry, in GraphiQL and with curl', async () => {
    const watch = 'Watch an account'
    const asGraphiql = await openStream(server.endpoint, {
      query: block(watch, 'graphql'),
      variables: JSON.parse(filled(block(watch, 'json'))),
    })
    const curl = block(watch, 'sh')
    expect(curl).toContain("--header 'content-type: application/json' --header 'accept: text/event-stream'")
    const [, body = ''] = /--data '(.*)'\n$/.exec(curl) ?? []
    const asCurl = await openStream(server.endpoint, JSON.parse(filled(body)))
    const entry = await depositMore(11)
    // GraphiQL's began at the cursor from before the payroll.
    for (const change of SINCE_THE_CURSOR)
      expect((await asGraphiql.waitForEvent()).data?.data.entryPosted).toMatchObject({ change })
    expect((await asGraphiql.waitForEvent()).data?.data.entryPosted).toMatchObject({
      sequence: entry.sequence,
      change: '11',
      balanceAfter: entry.balanceAfter,
    })
    expect((await asCurl.waitForEvent()).data?.data.entryPosted).toEqual({
      sequence: entry.sequence,
      change: '11',
      balanceAfter: entry.balanceAfter,
    })
  })

  test('the program of the tutorial continues where it was when the server starts again', async () => {
    const tokenPath = join(await mkdtemp(join(tmpdir(), 'thesaurum-docs-')), 'operator-token')
    await writeFile(tokenPath, `${server.token}\n`)
    const program = filled(block('Watch an account', 'js'))
      .replace('localhost:4000', new URL(server.address).host)
      .replace('.data/operator-token', tokenPath)
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    child.stdout.on('data', (data) => {
      said += data
    })
    const seen = () =>
      said
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).change)
    const waitToSee = (changes: string[]) => vi.waitFor(() => expect(seen()).toEqual(changes))

    await depositMore(22)
    // It began at the cursor from before the payroll, and so before the entry of the test above.
    await waitToSee([...SINCE_THE_CURSOR, '11', '22'])
    const { port } = new URL(server.address)
    await server.close()
    server = await openTestServer({ PORT: port }, database)
    await depositMore(33)
    await waitToSee([...SINCE_THE_CURSOR, '11', '22', '33'])
  })

  test('the table of configuration has every variable, with its default', () => {
    const rows = [...text('docs/configuration.md').matchAll(/^\| `(\w+)` \| (?:`(.*?)`)? ?\| \S/gm)]
    const documented = Object.fromEntries(rows.map(([, name, value]) => [name, value]))
    const defaults = Object.entries(readConfig({})).map(([name, value]) => [name, String(value)])
    expect(documented).toEqual({
      ...Object.fromEntries(defaults),
      DATABASE_URL: undefined,
      DIRECT_DATABASE_URL: undefined,
      ALLOWED_ORIGINS: undefined,
      GRAPHIQL: undefined,
      INTROSPECTION: undefined,
      PERSISTED_OPERATIONS: undefined,
    })
  })

  test('the tests above ran every operation of the tutorial', () => {
    expect(blocks.filter(({ language, text }) => language === 'graphql' && !ran.has(text))).toEqual([])
  })

  test.each(pages.filter((page) => page !== TUTORIAL && examplesOf(text(page)).length > 0))(
    'the operations of %s run from top to bottom',
    async (page) => {
      for (const { document, variables, answer } of examplesOf(text(page))) {
        const ask = async () => {
          const given = await demo.ask(document, JSON.parse(filled(variables)))
          keep(answered, given.data)
          expect(given, document).toEqual(answer ? JSON.parse(filled(answer)) : { data: expect.anything() })
          if (!answer) expect(JSON.stringify(given), 'a refusal that the page does not show').not.toMatch('"code":"')
        }
        const operation = getOperationAST(parse(document))?.operation
        if (operation === 'subscription') {
          const payload = { query: document, variables: JSON.parse(filled(variables)) }
          const { response } = await openStream(demo.endpoint, payload)
          expect(response.headers.get('content-type'), document).toMatch('text/event-stream')
        }
        // Failed attempts can be read a moment after their answer.
        else if (operation === 'query' && answer) await vi.waitFor(ask)
        else await ask()
      }
    },
  )

  test('the demo data answers as the README says', async () => {
    const operations = blocksOf(text('README.md')).filter(({ language }) => language === 'graphql')
    expect(operations).toHaveLength(3)
    const [account, months, sound] = await Promise.all(operations.map((operation) => demo.ask(operation.text)))
    const rows = [...text('README.md').matchAll(/^\| (\d+) \| (-?\d+) \| (\d+) \| (\w+) \| ([\w ]+) \|$/gm)]
    expect(account?.data.user.account).toEqual({
      balance: { amount: '178755', formatted: '$1,787.55' },
      transactions: {
        edges: rows.map(([, sequence, change, balanceAfter, kind, description]) => ({
          sequence: Number(sequence),
          change,
          balanceAfter,
          node: { kind, description },
        })),
      },
    })
    expect(months?.data.user.account.balanceHistory.at(-1)).toMatchObject({ closing: '178755' })
    expect(sound?.data).toEqual({ ledger: { verification: { sound: true, findings: [] } } })
  })

  test('the README is short, and its map has every page of docs', () => {
    expect(text('README.md').split('\n').length).toBeLessThanOrEqual(121)
    for (const page of pages.filter((name) => name.startsWith('docs/')))
      expect(text('README.md')).toContain(`](${page})`)
  })

  test.each(pages)('no line of %s is longer than 120 characters', (page) => {
    const lines = text(page)
      .replaceAll(/^ *```.*?^ *```$/gms, '')
      .split('\n')
    // A row of a table cannot be broken.
    expect(lines.filter((line) => line.length > 120 && !line.trimStart().startsWith('|'))).toEqual([])
  })

  test.each(pages)('what %s names is there', async (page) => {
    for (const [link, path = '', anchor] of text(page).matchAll(/\]\((?!http)([^)#]*)(?:#([^)]*))?\)/g)) {
      const target = path ? normalize(join(page, '..', path)) : page
      await access(join(root, target))
      if (anchor) expect(anchorsOf(text(target)), link).toContain(anchor)
    }
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    const named = [
      ...text(page).matchAll(/\bnpm (?:run )?(start|test|seed|verify|checkpoints|operator|[a-z]+:[a-z]+)\b/g),
    ].map(([, name]) => name)
    for (const name of named) expect(scripts).toHaveProperty([name as string])
  })

  /** What GitHub makes of the headings of a page. */
  function anchorsOf(page: string): string[] {
    return [...page.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )
  }
})
