import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { signInOperator } from '../support/operator.ts'
import { type Form, textInputs } from '../support/schema-inputs.ts'
import { type MeasuredServer, openMeasuredServer } from './support/measured-server.ts'

/* The longest texts that a body can carry, in every argument that takes a text: what they cost for each byte. */

/** Of processor time. A body of a mebibyte that nobody reads takes some 10 ns a byte to come in. */
const NANOSECONDS_PER_BYTE_MAX = 100

const LENGTHS: Readonly<Record<Form, number>> = { variable: 1_040_000, literal: 65_000 }

/** What is costly to normalise, to trim, to match, to decode or to convert; each as long as bytes allow. */
const TEXTS: readonly ((bytes: number) => string)[] = [
  (bytes) => `a${'\u0301'.repeat(bytes / 4)}${'\u0316'.repeat(bytes / 4)}@x.y`,
  (bytes) => `a@${'\u0301'.repeat(bytes / 4)}${'\u0316'.repeat(bytes / 4)}.y`,
  (bytes) => `a@${'\u00e9.'.repeat(bytes / 3 - 2)}y`,
  (bytes) => '\ufdfa'.repeat(bytes / 3),
  (bytes) => ' '.repeat(bytes),
  (bytes) => `a${' '.repeat(bytes - 2)}a`,
  (bytes) => '9'.repeat(bytes),
  (bytes) => `2024-01-01T00:00:00.${'1'.repeat(bytes - 22)}x`,
  (bytes) => `A${'/a'.repeat(bytes / 2 - 1)}`,
  (bytes) => `user_${'0'.repeat(bytes - 5)}`,
  (bytes) => Buffer.alloc((bytes * 3) / 4, 4).toString('base64url'),
]

let server: MeasuredServer
let operator: string
const account = randomUUID()

beforeAll(async () => {
  server = await openMeasuredServer()
  operator = await signInOperator(server.database)
  await server.database.pool.query(`insert into users (id, email) values ($1, 'ada@example.com')`, [account])
})

afterAll(() => server.close())

async function send(body: string, headers: Record<string, string>): Promise<void> {
  const response = await fetch(server.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
  expect(response.status).toBeLessThan(500)
  expect((await response.text()).length).toBeLessThan(5_000)
}

/** Processor time for each byte that is sent meanwhile, in nanoseconds; and the longest stop, in milliseconds. */
async function costOf(bodies: readonly string[], headers: Record<string, string>) {
  await server.measure()
  for (const body of bodies) await send(body, headers)
  const { cpuMs, stopMsMax } = await server.measure()
  const bytes = bodies.reduce((sum, body) => sum + Buffer.byteLength(body), 0)
  return { nanosecondsPerByte: (cpuMs * 1e6) / bytes, stopMsMax }
}

test.each(textInputs(account).map((input) => [input.name, input] as const))(
  '%s',
  async (name, { kind, isEnum, operation }) => {
    const headers = {
      authorization: `Bearer ${operator}`,
      accept: kind === 'subscription' ? 'text/event-stream' : 'application/json',
    }
    const forms = isEnum ? (['variable'] as const) : (['variable', 'literal'] as const)
    const bodies = forms.flatMap((form) => TEXTS.map((text) => JSON.stringify(operation(text(LENGTHS[form]), form))))
    const cost = await costOf(bodies, headers)
    if (process.env.FIGURES) console.log(name, cost)
    expect(cost.nanosecondsPerByte).toBeLessThan(NANOSECONDS_PER_BYTE_MAX)
  },
)

test('names in variables that there are none of', async () => {
  const query = `mutation ($input: LoginInput!) { login(input: $input) { __typename } }`
  const bodies = [
    { ['e'.repeat(1_000_000)]: 1 },
    { email: 'a@b.c', password: '', ['passwor'.repeat(140_000)]: '' },
  ].map((input) => JSON.stringify({ query, variables: { input } }))
  expect((await costOf(bodies, {})).nanosecondsPerByte).toBeLessThan(NANOSECONDS_PER_BYTE_MAX)
})

test('an address of 280 KB, sent to sign in by a stranger, stops nobody', async () => {
  const email = `a${'\u0301'.repeat(70_000)}${'\u0316'.repeat(70_000)}@x.y`
  const query = `mutation ($email: String!) { login(input: { email: $email, password: "" }) { __typename } }`
  const health = server.probe()
  const bodies = Array.from({ length: 20 }, () => JSON.stringify({ query, variables: { email } }))
  const cost = await costOf(bodies, {})
  const { failures } = await health.stop()
  if (process.env.FIGURES) console.log('login', cost)
  expect(cost.nanosecondsPerByte).toBeLessThan(NANOSECONDS_PER_BYTE_MAX)
  expect(cost.stopMsMax).toBeLessThan(50)
  expect(failures).toBe(0)
  expect(server.complaints()).toEqual([])
})
