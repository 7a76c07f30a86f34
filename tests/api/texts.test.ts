import { randomUUID } from 'node:crypto'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import { countRows } from '../support/bad-input.ts'
import { signInOperator } from '../support/operator.ts'
import { type Form, type TextInput, TYPES_WITH_ARGUMENTS, textInputs } from '../support/schema-inputs.ts'
import { useServer } from '../support/server.ts'

/* Every text that a client may send, wherever the schema takes one: too long, not well-formed, or with a NUL in it. */

const account = randomUUID()
const INPUTS = textInputs(account).map((input) => [input.name, input] as const)

const server = useServer()
let rows: Record<string, number>

beforeAll(async () => {
  // Tokens are made by somebody who is signed in.
  server.authorization = { authorization: `Bearer ${await signInOperator(server.database)}` }
  await server.database.pool.query(`insert into users (id, email) values ($1, 'ada@example.com')`, [account])
  await server.ask(
    `mutation { deposit(input: { idempotencyKey: "${randomUUID()}", accountId: "${account}", amount: 1 }) { __typename } }`,
  )
  rows = await countRows(server)
})

afterEach(() => {
  vi.restoreAllMocks()
  expect(server.errorLines()).toEqual([])
})

interface Body {
  data?: Record<string, { fields?: { path: string }[] } | null> | null
  errors?: { extensions: { code: string; fields: { path: string }[] } }[]
}

/** The paths of what is refused in an operation with this text. */
async function refusedPaths({ kind, operation }: TextInput, text: string, form: Form): Promise<string[]> {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: {
      ...server.authorization,
      'content-type': 'application/json',
      accept: kind === 'subscription' ? 'text/event-stream' : 'application/json',
    },
    body: JSON.stringify(operation(text, form)),
  })
  const body = await response.text()
  expect(response.status).toBe(200)
  expect(body.length).toBeLessThan(1_000)
  const { data, errors = [] }: Body = JSON.parse(/^data: (\{.*)$/m.exec(body)?.[1] ?? body)
  expect(errors.every(({ extensions }) => extensions.code === 'BAD_USER_INPUT')).toBe(true)
  const fields = [
    ...errors.flatMap(({ extensions }) => extensions.fields),
    ...Object.values(data ?? {}).flatMap((answer) => answer?.fields ?? []),
  ]
  return fields.map(({ path }) => path)
}

test('these tests come to every field of the schema that takes an argument', () => {
  expect(TYPES_WITH_ARGUMENTS.sort()).toEqual([
    'Account',
    'Balance',
    'LedgerEntry',
    'Mutation',
    'Query',
    'Subscription',
    'Transaction',
    'User',
  ])
  expect(INPUTS.length).toBeGreaterThan(50)
})

/** Longer than any text may be that is read. */
const READ_MAX = 2_048

/** As many marks as a body of a mebibyte can carry in a variable, and a document of 64 KiB in a literal. */
const longest = (marks: number) => `a${'\u0301'.repeat(marks / 2)}${'\u0316'.repeat(marks / 2)}@x.y`
const LONGEST: Readonly<Record<Form, string>> = { variable: longest(520_000), literal: longest(65_000) }

test.each(INPUTS)('the longest text is refused by name, and not read: %s', async (_name, input) => {
  const normalize = vi.spyOn(String.prototype, 'normalize')
  // A value of an enum has no quotes in a document: it is a name, and no text.
  const forms = input.isEnum ? (['variable'] as const) : (['variable', 'literal'] as const)
  for (const form of forms) {
    expect(await refusedPaths(input, LONGEST[form], form), form).toContain(input.path)
  }
  const lengths = normalize.mock.contexts.map((text) => String(text).length)
  expect(Math.max(0, ...lengths)).toBeLessThan(READ_MAX)
})

test.each(INPUTS)('half a surrogate pair is refused by name: %s', async (_name, input) => {
  for (const text of ['\ud800', 'a\udc00@example.com', `user_${account}\ud83d`, 'a long enough password \ud83d']) {
    expect(await refusedPaths(input, text, 'variable')).toContain(input.path)
  }
})

test('half a surrogate pair in a document is a syntax error that says where', async () => {
  for (const half of ['\ud800', '\\ud800', '\\u{d800}']) {
    const { errors } = await server.ask(`{ user(email: "a${half}@example.com") { id } }`)
    expect(errors, half).toMatchObject([
      {
        message: expect.stringMatching(/^Syntax Error: Invalid /),
        locations: [{ line: 1, column: expect.any(Number) }],
      },
    ])
  }
})

// A password that is compared may be any: it is wrong.
const COMPARED = ['Mutation.login(input.password)', 'Mutation.changePassword(input.currentPassword)']
const TAKE_NO_CONTROLS = INPUTS.filter(([name]) => !COMPARED.includes(name))

test.each(TAKE_NO_CONTROLS)('a NUL is refused by name: %s', async (_name, input) => {
  for (const text of ['a long enough password\u0000', 'a\u0000b@example.com', '\u0000']) {
    expect(await refusedPaths(input, text, 'variable')).toContain(input.path)
  }
})

test('nothing was written', async () => {
  expect(await countRows(server)).toEqual(rows)
})
