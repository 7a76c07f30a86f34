import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { THROTTLE } from '../../src/auth/throttle.ts'
import { openClient } from '../support/graphql-transport.ts'
import { openTestServer, serverForTest, type TestServer, useServer } from '../support/server.ts'
import { LOGIN, logIn, makePerson, PASSWORD, type Person, tryLogin } from '../support/sign-in.ts'

/* The server believes its one proxy: these tests are as many clients as they like. */

/** While `gate` is closed every hash that is begun waits for it. */
const hashes = vi.hoisted(() => ({ gate: undefined as Promise<void> | undefined, atOnce: 0, atOnceMax: 0 }))
/** There are hundreds of them: these are as cheap as argon2 can be. What they cost in earnest is tested by sign-in.test.ts. */
vi.mock('@node-rs/argon2', async (importOriginal) => {
  const argon2 = await importOriginal<typeof import('@node-rs/argon2')>()
  return {
    hash: (password: string) => argon2.hash(password, { memoryCost: 8, timeCost: 1, parallelism: 1 }),
    async verify(hash: string, password: string) {
      hashes.atOnce++
      hashes.atOnceMax = Math.max(hashes.atOnceMax, hashes.atOnce)
      await hashes.gate
      return argon2.verify(hash, password).finally(() => hashes.atOnce--)
    },
  }
})
function closeGate(): () => void {
  let open = () => {}
  hashes.gate = new Promise((resolve) => {
    open = resolve
  })
  onTestFinished(open)
  return open
}

// However long a gate is closed.
const server = useServer({ TRUSTED_PROXY_COUNT: '1', OPERATION_DEADLINE_MS: '600000' })

let networks = 0
/** The address of somebody who has never been here. */
const somewhere = () => `10.${networks >> 8}.${networks++ & 255}.1`

const attempt = (email: string, from: string, password = 'a wrong password', at: TestServer = server) =>
  tryLogin(at, email, password, from)
/** Many at once: their codes, counted as they come. */
function countCodes(attempts: Promise<{ code?: string }>[]) {
  const counts: Record<string, number> = {}
  const counted = attempts.map(async (attempt) => {
    const { code = 'SUCCESS' } = await attempt
    counts[code] = (counts[code] ?? 0) + 1
  })
  return { counts, done: Promise.all(counted) }
}
async function attemptAtOnce(attempts: Promise<{ code?: string }>[]): Promise<Record<string, number>> {
  const { counts, done } = countCodes(attempts)
  await done
  return counts
}
const tooMany = { code: 'TOO_MANY_ATTEMPTS', retryable: true }

test('a client has ten attempts at one account: from then on no password is looked at, nor the right one', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  for (let count = 0; count < THROTTLE.attemptsMax; count++)
    expect(await attempt(anna.email, from)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
  const refused = await attempt(anna.email, from)
  expect(refused).toMatchObject(tooMany)
  expect(refused.retryAfterSeconds).toBeGreaterThan(0)
  expect(refused.retryAfterSeconds).toBeLessThanOrEqual(THROTTLE.windowMs / 1_000)
  expect(await attempt(anna.email, from, PASSWORD)).toMatchObject(tooMany)
  // In another spelling it is the same account, and of another account it is not told.
  expect(await attempt(` ${anna.email.toUpperCase()}`, from, PASSWORD)).toMatchObject(tooMany)
  const bert = await makePerson(server)
  expect(await attempt(bert.email, from, PASSWORD)).toMatchObject({ __typename: 'LoginSuccess' })
  expect(await attempt(anna.email, somewhere(), PASSWORD)).toMatchObject({ __typename: 'LoginSuccess' })
})

test('attempts at an account that is not there are refused just so', async () => {
  const anna = await makePerson(server)
  const answersFor = async (email: string) => {
    const from = somewhere()
    const answers: unknown[] = []
    for (let count = 0; count < THROTTLE.attemptsMax + 2; count++) {
      const { retryAfterSeconds, ...answer } = await attempt(email, from)
      answers.push({ ...answer, waits: typeof retryAfterSeconds })
    }
    return answers
  }
  const known = await answersFor(anna.email)
  expect(known.at(-1)).toMatchObject(tooMany)
  expect(await answersFor('nobody.of.that.name@example.com')).toEqual(known)
})

test('no number of attempts at once gets past the limit, over HTTP or on a socket', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  const codes = await attemptAtOnce(Array.from({ length: 30 }, () => attempt(anna.email, from)))
  expect(codes).toEqual({ INVALID_CREDENTIALS: 10, TOO_MANY_ATTEMPTS: 20 })
  const client = await openClient(server.socketEndpoint, { token: null, headers: { 'x-forwarded-for': from } })
  client.subscribe('login', { query: LOGIN, variables: { email: anna.email, password: PASSWORD } })
  expect(await client.waitForMessage()).toMatchObject({ payload: { data: { login: tooMany } } })
})

test('the numbers that are left are the same after a restart, and with another server', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  const first = await openTestServer({ TRUSTED_PROXY_COUNT: '1' }, server.database)
  await attemptAtOnce(Array.from({ length: 5 }, () => attempt(anna.email, from, undefined, first)))
  await first.close()
  const second = await serverForTest({ TRUSTED_PROXY_COUNT: '1' }, server.database)
  const codes = await attemptAtOnce(
    Array.from({ length: 10 }, (_, index) => attempt(anna.email, from, undefined, index % 2 ? server : second)),
  )
  expect(codes).toEqual({ INVALID_CREDENTIALS: 5, TOO_MANY_ATTEMPTS: 5 })
})

test('a right password clears what had failed before it', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  for (let round = 0; round < 2; round++) {
    for (let count = 0; count < THROTTLE.attemptsMax - 1; count++)
      expect(await attempt(anna.email, from)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    expect(await attempt(anna.email, from, PASSWORD)).toMatchObject({ __typename: 'LoginSuccess' })
  }
})

test('a client has a hundred attempts at all accounts together, and right passwords are none of them', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  for (let count = 0; count < 5; count++) await logIn(server, anna, from)
  let codes: Record<string, number> = {}
  for (let round = 0; round < 2; round++) {
    const more = await attemptAtOnce(
      Array.from({ length: 55 }, (_, index) => attempt(`nobody.${index % 11}.${round}@example.com`, from)),
    )
    codes = Object.fromEntries(
      [...Object.keys(more), ...Object.keys(codes)].map((code) => [code, (codes[code] ?? 0) + (more[code] ?? 0)]),
    )
  }
  expect(codes).toEqual({ INVALID_CREDENTIALS: THROTTLE.clientAttemptsMax, TOO_MANY_ATTEMPTS: 10 })
  expect(await attempt(anna.email, from, PASSWORD)).toMatchObject(tooMany)
  expect(await attempt(anna.email, somewhere(), PASSWORD)).toMatchObject({ __typename: 'LoginSuccess' })
})

test('many who sign in at once from one place, with right passwords, may sign in from there afterwards', async () => {
  const people: Person[] = []
  for (let count = 0; count < 14; count++) people.push(await makePerson(server))
  const from = somewhere()
  const open = closeGate()
  const { counts, done } = countCodes(
    people.flatMap(({ email }) => Array.from({ length: 10 }, () => attempt(email, from, PASSWORD))),
  )
  await vi.waitFor(() => expect(counts).toEqual({ TOO_MANY_ATTEMPTS: 40 }))
  open()
  await done
  expect(counts).toEqual({ TOO_MANY_ATTEMPTS: 40, SUCCESS: THROTTLE.clientAttemptsMax })
  for (const person of people) await logIn(server, person, from)
})

test('whoever guesses from everywhere shuts an account to strange places, and never to its owner’s own', async () => {
  const anna = await makePerson(server)
  const home = somewhere()
  await logIn(server, anna, home)
  const codes = await attemptAtOnce(
    Array.from({ length: THROTTLE.accountAttemptsMax + 10 }, () => attempt(anna.email, somewhere())),
  )
  expect(codes).toEqual({ INVALID_CREDENTIALS: THROTTLE.accountAttemptsMax, TOO_MANY_ATTEMPTS: 10 })
  expect(await attempt(anna.email, somewhere(), PASSWORD)).toMatchObject(tooMany)
  for (let count = 0; count < 3; count++) await logIn(server, anna, home)
  // Also with a slip of the finger.
  expect(await attempt(anna.email, home)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
  await logIn(server, anna, home)
  // And after a restart.
  const again = await serverForTest({ TRUSTED_PROXY_COUNT: '1' }, server.database)
  await logIn(again, anna, home)
  expect(await attempt(anna.email, somewhere(), PASSWORD, again)).toMatchObject(tooMany)
})

test('what a client writes into X-Forwarded-For itself is not believed', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  const codes = await attemptAtOnce(
    Array.from({ length: 14 }, () => attempt(anna.email, `${somewhere()}, ${somewhere()},${from}`)),
  )
  expect(codes).toEqual({ INVALID_CREDENTIALS: 10, TOO_MANY_ATTEMPTS: 4 })
  // Without a proxy nothing of it is.
  const bare = await serverForTest({}, server.database)
  const bert = await makePerson(server)
  const more = await attemptAtOnce(Array.from({ length: 14 }, () => attempt(bert.email, somewhere(), undefined, bare)))
  expect(more).toEqual({ INVALID_CREDENTIALS: 10, TOO_MANY_ATTEMPTS: 4 })
})

test('one IPv6 customer is one client, whichever of their addresses they come from', async () => {
  const anna = await makePerson(server)
  const codes = await attemptAtOnce(
    Array.from({ length: 14 }, (_, index) => attempt(anna.email, `2001:db8:0:7::${index + 1}`)),
  )
  expect(codes).toEqual({ INVALID_CREDENTIALS: 10, TOO_MANY_ATTEMPTS: 4 })
  expect(await attempt(anna.email, '2001:db8:0:8::1')).toMatchObject({ code: 'INVALID_CREDENTIALS' })
})

test('when the time has passed there are attempts again', async () => {
  const anna = await makePerson(server)
  const from = somewhere()
  const other = await serverForTest({ TRUSTED_PROXY_COUNT: '1' }, server.database)
  await attemptAtOnce(Array.from({ length: 12 }, () => attempt(anna.email, from, undefined, other)))
  expect(await attempt(anna.email, from)).toMatchObject(tooMany)
  await server.database.pool.query(
    "update private.sign_in_limits set expire = expire - $1 where key not like 'known%'",
    [THROTTLE.windowMs],
  )
  const afresh = await serverForTest({ TRUSTED_PROXY_COUNT: '1' }, server.database)
  expect(await attempt(anna.email, from, PASSWORD, afresh)).toMatchObject({ __typename: 'LoginSuccess' })
})

test('of whom it was tried there is nothing to read', async () => {
  for (let count = 0; count < 5; count++) await attempt((await makePerson(server)).email, somewhere())
  const { rows } = await server.database.pool.query('select key from private.sign_in_limits')
  expect(rows.length).toBeGreaterThan(10)
  for (const { key } of rows) expect(key).not.toMatch(/@|example/)
})

test('a storm of sign-ins is told to come again, is not held against anybody, and transfers go on beside it', async () => {
  const [anna, bert] = [await makePerson(server), await makePerson(server)]
  const post = async (query: string, variables = {}) => {
    const { data } = await server.ask(query, { key: randomUUID(), anna: anna.id, bert: bert.id, ...variables })
    return Object.values(data as Record<string, { __typename: string }>)[0]?.__typename
  }
  expect(
    await post(
      'mutation ($key: UUID!, $anna: ID!) { deposit(input: { idempotencyKey: $key, accountId: $anna, amount: 100000 }) { __typename } }',
    ),
  ).toBe('DepositSuccess')
  const homes = Array.from({ length: 200 }, somewhere)
  const emails = homes.map((_, index) => `storm.${index}@example.com`)
  const open = closeGate()
  hashes.atOnceMax = 0
  const { counts: codes, done } = countCodes(homes.map((from, index) => attempt(emails[index] as string, from)))
  // One is being hashed and a hundred wait.
  await vi.waitFor(() => expect(codes).toEqual({ OVERLOADED: 99 }))
  for (let transfers = 0; transfers < 25; transfers++) {
    const TRANSFER = `mutation ($key: UUID!, $anna: ID!, $bert: ID!) {
      transfer(input: { idempotencyKey: $key, sourceAccountId: $anna, destinationAccountId: $bert, amount: 1 }) { __typename }
    }`
    expect(await post(TRANSFER)).toBe('TransferSuccess')
  }
  open()
  await done
  expect(codes).toEqual({ OVERLOADED: 99, INVALID_CREDENTIALS: 101 })
  // One hash takes 19 MiB: all of them would be 3.8 GiB.
  expect(hashes.atOnceMax).toBe(1)
  // Who was only told to come again has all their attempts left.
  const { rows } = await server.database.pool.query(
    "select coalesce(sum(points), 0)::int as points from private.sign_in_limits where key like 'attempts:%' and split_part(key, ' ', 2) = any($1)",
    [homes],
  )
  expect(rows).toEqual([{ points: codes.INVALID_CREDENTIALS }])
  const verified = await server.ask('{ ledger { verification { sound } } }')
  expect(verified).toEqual({ data: { ledger: { verification: { sound: true } } } })
})

test('what was refused unseen for one account does not shut the client out of another', async () => {
  const [anna, bert] = [await makePerson(server), await makePerson(server)]
  const from = somewhere()
  for (let count = 0; count < THROTTLE.clientAttemptsMax + 5; count++) await attempt(anna.email, from)
  expect(await attempt(anna.email, from, PASSWORD)).toMatchObject(tooMany)
  expect(await attempt(bert.email, from, PASSWORD)).toMatchObject({ __typename: 'LoginSuccess' })
})
