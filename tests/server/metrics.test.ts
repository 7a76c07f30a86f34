import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { beforeAll, expect, test, vi } from 'vitest'
import { holdSession } from '../support/faults.ts'
import { openClient, openStream } from '../support/graphql-transport.ts'
import { type Person, signUp } from '../support/rights.ts'
import { useServer } from '../support/server.ts'
import { makePerson, tryLogin } from '../support/sign-in.ts'

/* What is counted is what happened, and docs/operations.md has all of it. */

const server = useServer()
let ada: Person
let emmy: Person
beforeAll(async () => {
  ada = await signUp(server, 'ada')
  emmy = await signUp(server, 'emmy')
})

async function read(): Promise<string> {
  const response = await fetch(`${server.address}/metrics`, { headers: server.authorization })
  expect(response.status).toBe(200)
  return response.text()
}

/** The value of a sample, written as Prometheus does; 0 where there is none. */
async function readSample(sample: string): Promise<number> {
  const line = (await read()).split('\n').find((line) => line.startsWith(`${sample} `))
  return line === undefined ? 0 : Number(line.slice(sample.length + 1))
}

/** By how much samples go up while something is done. */
async function growth<const Names extends readonly string[]>(names: Names, work: () => Promise<unknown>) {
  const before = await Promise.all(names.map(readSample))
  await work()
  const grown = async () =>
    (await Promise.all(names.map(readSample))).map((value, index) => value - (before[index] ?? 0))
  return { soonBe: (expected: readonly number[]) => vi.waitFor(async () => expect(await grown()).toEqual(expected)) }
}

const deposit = (amount: number, idempotencyKey: string = randomUUID()) =>
  server.ask('mutation Deposit($input: DepositInput!) { deposit(input: $input) { __typename } }', {
    input: { idempotencyKey, accountId: ada.id, amount },
  })
const transfer = (amount: number, destinationAccountId = emmy.id) =>
  server.ask('mutation Transfer($input: TransferInput!) { transfer(input: $input) { __typename } }', {
    input: { idempotencyKey: randomUUID(), sourceAccountId: ada.id, destinationAccountId, amount },
  })

test('every metric is in docs/operations.md, with its type and its labels, and the other way round', async () => {
  // So that all labels are there.
  await deposit(100)
  await tryLogin(server, 'nobody@example.com', 'not a password')
  const client = await openClient(server.socketEndpoint)
  client.webSocket.close(1000)
  await vi.waitFor(async () => expect(await read()).toContain('thesaurum_sockets_closed_total{code="1000"}'))
  const documented = [
    ...readFileSync('docs/operations.md', 'utf8').matchAll(/^\| `(thesaurum_\w+)` \| (\w+) \|(.*?)\| \S/gm),
  ].map(([, name, type, labels = '']) => [
    name,
    type,
    [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(),
  ])

  const text = await read()
  const served = [...text.matchAll(/^# TYPE (thesaurum_\w+) (\w+)$/gm)].map(([, name, type]) => {
    const samples = text.split('\n').filter((line) => new RegExp(`^${name}(_bucket|_sum|_count)?[{ ]`).test(line))
    const labels = samples.flatMap((line) => [...line.matchAll(/(\w+)="/g)].map(([, label]) => label))
    return [name, type, [...new Set(labels)].filter((label) => label !== 'le').sort()]
  })
  expect(served.length).toBeGreaterThan(15)
  expect(served.sort()).toEqual(documented.sort())
})

test('names follow the conventions of Prometheus', async () => {
  for (const [, name, type] of (await read()).matchAll(/^# TYPE (thesaurum_\w+) (\w+)$/gm)) {
    expect(name).toMatch(/^[a-z_]+$/)
    if (type === 'counter') expect(name).toMatch(/_total$/)
    else expect(name).not.toMatch(/_total$|_ms$|_milliseconds$/)
  }
})

test('requests are counted by transport, type and result, and their times are', async () => {
  const query = (transport: string, result: string) =>
    `thesaurum_requests_total{transport="${transport}",type="query",result="${result}"}`
  const { soonBe } = await growth(
    [
      query('http', 'ok'),
      query('http', 'refused'),
      query('websocket', 'ok'),
      'thesaurum_requests_total{transport="http",type="none",result="refused"}',
      'thesaurum_requests_total{transport="http",type="mutation",result="refused"}',
      'thesaurum_request_duration_seconds_count{type="query"}',
    ],
    async () => {
      for (let time = 0; time < 3; time++) await server.ask('{ ledger { userCount } }')
      await server.ask('{ ledger { userCount } }', {}, ada.authorization)
      await server.ask('{ nothing }')
      await transfer(10 ** 9)
      const client = await openClient(server.socketEndpoint)
      client.subscribe('a', { query: '{ __typename }' })
      await client.waitForMessage()
    },
  )
  await soonBe([3, 1, 1, 1, 1, 5])
})

test('no word of a client becomes a label', async () => {
  await server.ask('query Rosebud { __typename }')
  await fetch(`${server.address}/rosebud`)
  await fetch(server.endpoint, { method: 'PUT' })
  expect(await read()).not.toMatch(/rosebud/i)
})

test('postings are counted by kind and outcome, and batches by size', async () => {
  const key = randomUUID()
  const of = (kind: string, outcome: string) => `thesaurum_postings_total{kind="${kind}",outcome="${outcome}"}`
  const { soonBe } = await growth(
    [
      of('DEPOSIT', 'POSTED'),
      of('DEPOSIT', 'REPLAYED'),
      of('DEPOSIT', 'IDEMPOTENCY_CONFLICT'),
      of('TRANSFER', 'POSTED'),
      of('TRANSFER', 'INSUFFICIENT_FUNDS'),
      of('TRANSFER', 'SAME_ACCOUNT'),
      of('TRANSFER', 'ACCOUNT_NOT_FOUND'),
      'thesaurum_posting_batch_size_count',
      'thesaurum_posting_batch_size_sum',
      'thesaurum_posting_batch_size_bucket{le="1"}',
      'thesaurum_posting_batch_size_bucket{le="+Inf"}',
    ],
    async () => {
      await deposit(500, key)
      await deposit(500, key)
      await deposit(501, key)
      await transfer(1)
      await transfer(10 ** 9)
      await transfer(1, ada.id)
      await transfer(1, `user_${randomUUID()}`)
    },
  )
  await soonBe([1, 1, 1, 1, 1, 1, 1, 7, 7, 7, 7])
})

test('a call that waits for an account that something else holds is counted', async () => {
  const { soonBe } = await growth(['thesaurum_posting_lock_waits_total', 'thesaurum_postings_unanswered'], async () => {
    const holder = await holdSession(server.database, 'select from accounts where id = $1 for update', [
      ada.id.replace('user_', ''),
    ])
    const posting = deposit(1)
    await vi.waitFor(async () => expect(await readSample('thesaurum_posting_lock_waits_total')).toBe(1))
    expect(await readSample('thesaurum_postings_unanswered')).toBe(1)
    await holder.commit()
    await posting
  })
  await soonBe([1, 0])
})

test('sign-ins are counted by what became of them', async () => {
  const of = (result: string) => `thesaurum_sign_ins_total{result="${result}"}`
  const person = await makePerson(server)
  const { soonBe } = await growth([of('succeeded'), of('refused'), of('throttled')], async () => {
    await tryLogin(server, person.email, 'a right password')
    for (let time = 0; time < 11; time++) await tryLogin(server, person.email, 'a wrong password')
  })
  await soonBe([1, 10, 1])
})

test('sockets and subscriptions are counted while they are there', async () => {
  const names = [
    'thesaurum_sockets',
    'thesaurum_subscriptions{transport="websocket"}',
    'thesaurum_subscriptions{transport="event-stream"}',
    'thesaurum_account_subscribers',
  ] as const
  const query = `subscription { entryPosted(accountId: "${ada.id}") { sequence } }`
  // Those of other tests are cut when these end, and counted for a moment longer.
  await vi.waitFor(async () => expect(await Promise.all(names.map(readSample))).toEqual([0, 0, 0, 0]))
  let close = () => {}
  const opened = await growth(names, async () => {
    const client = await openClient(server.socketEndpoint)
    client.subscribe('a', { query })
    const stream = await openStream(server.endpoint, { query })
    close = () => {
      client.webSocket.terminate()
      stream.abort()
    }
  })
  await opened.soonBe([1, 1, 1, 2])
  close()
  await opened.soonBe([0, 0, 0, 0])
})

test('pools are shown with what they do', async () => {
  await deposit(1)
  expect(await readSample('thesaurum_pool_connections{pool="posting",state="idle"}')).toBeGreaterThan(0)
  expect(await readSample('thesaurum_pool_connections{pool="checking tokens",state="idle"}')).toBeGreaterThan(0)
  expect(await readSample('thesaurum_pool_waiting{pool="posting"}')).toBe(0)
})
