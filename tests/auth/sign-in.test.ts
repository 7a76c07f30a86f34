import { verify } from '@node-rs/argon2'
import pg from 'pg'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { hashPassword } from '../../src/auth/passwords.ts'
import { hashToken } from '../../src/auth/token.ts'
import { databaseClock, type HeldSession, holdSession, untilBlocked } from '../support/faults.ts'
import { signInOperator } from '../support/operator.ts'
import { serverForTest, type TestServer, useServer } from '../support/server.ts'
import {
  ageSession,
  askWith,
  isGood,
  LOGIN,
  logIn,
  makePerson,
  PASSWORD,
  type Person,
  tryLogin,
  untilBad,
} from '../support/sign-in.ts'

vi.mock('@node-rs/argon2', { spy: true })

const LOGOUT = 'mutation { logout { ... on LogoutSuccess { endedAt } } }'

const server = useServer({ TRUSTED_PROXY_COUNT: '1' })
let anna: Person
beforeAll(async () => {
  anna = await makePerson(server)
})

/** In seconds since 1970. */
async function databaseTime(pool: pg.Pool, time = 'clock_timestamp()', values: unknown[] = []): Promise<number> {
  return (await pool.query(`select extract(epoch from ${time})::float as time`, values)).rows[0].time
}

/** Of each kind of attempt, from a client of its own: the throttle is not what these tests are about. */
let client = 0
const somewhere = () => `192.0.2.${client++ % 250}`

describe('login', () => {
  test('begins a session of whoever has the right password', async () => {
    const { expiresAt, token, ...rest } = await tryLogin(server, anna.email, PASSWORD)
    expect(rest).toEqual({ __typename: 'LoginSuccess', user: { id: anna.id, email: anna.email, role: 'USER' } })
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(86_000_000)
    const { data } = await askWith(server, token, '{ viewer { id email } }')
    expect(data).toEqual({ viewer: { id: anna.id, email: anna.email } })
  })

  test('makes a token of 256 random bits behind a name that scanners can know, another one each time', async () => {
    const tokens = [await logIn(server, anna), await logIn(server, anna)]
    for (const token of tokens) expect(token).toMatch(/^thesaurum_session_[A-Za-z0-9_-]{43}$/)
    expect(tokens[0]).not.toBe(tokens[1])
    expect(Buffer.from((tokens[0] as string).slice('thesaurum_session_'.length), 'base64url')).toHaveLength(32)
  })

  test('takes an address in any spelling, and a password in any Unicode form', async () => {
    for (const spelling of [anna.email.toUpperCase(), `  ${anna.email}\t`, anna.email.replace('@', '＠')])
      expect(await tryLogin(server, spelling, PASSWORD)).toMatchObject({ user: { id: anna.id } })
    const bert = await makePerson(server, { password: 'caf\u00e9 au lait' })
    expect(await tryLogin(server, bert.email, 'cafe\u0301 au lait')).toMatchObject({ user: { id: bert.id } })
    expect(await tryLogin(server, bert.email, 'Caf\u00e9 au lait')).toMatchObject({ code: 'INVALID_CREDENTIALS' })
  })

  test('answers a wrong password, an unknown address and a user without a password with the same bytes', async () => {
    const house = await makePerson(server, { password: null })
    const answers = new Set<string>()
    for (const [email, password] of [
      [anna.email, 'a wrong password'],
      ['nobody.at.all@example.com', 'a wrong password'],
      ['nobody.at.all@example.com', ''],
      [house.email, 'a wrong password'],
      [house.email, ''],
      [anna.email, ''],
    ]) {
      const response = await fetch(server.endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': somewhere() },
        body: JSON.stringify({ query: LOGIN, variables: { email, password } }),
      })
      const headers = [...response.headers].filter(([name]) => name !== 'date' && name !== 'x-request-id')
      answers.add(`${response.status} ${JSON.stringify(headers)} ${await response.text()}`)
    }
    expect([...answers]).toEqual([expect.stringContaining('INVALID_CREDENTIALS')])
  })

  test('works out one hash of the same cost for each of them, and sends the same statements', async () => {
    const house = await makePerson(server, { password: null })
    const verified = vi.mocked(verify)
    const sent = vi.spyOn(pg.Client.prototype, 'query')
    onTestFinished(() => sent.mockRestore())
    const works: unknown[] = []
    for (const email of [anna.email, 'nobody.else@example.com', house.email]) {
      verified.mockClear()
      sent.mockClear()
      await tryLogin(server, email, 'a wrong password', somewhere())
      // What a hash costs is in its first four parts.
      const costs = verified.mock.calls.map(([hash]) => String(hash).split('$').slice(0, 4).join('$'))
      const statements = sent.mock.calls.map(([query]) => {
        const { text } = query as unknown as { text?: string }
        return text ?? String(query)
      })
      works.push({ costs, statements: statements.filter((text) => /sign_in_limits|users/.test(text)) })
    }
    expect(works).toEqual([works[0], works[0], works[0]])
    expect(works[0]).toMatchObject({ costs: ['$argon2id$v=19$m=19456,t=2,p=1'] })
  })

  test('refuses a password that was changed while it was being looked at', async () => {
    const bert = await makePerson(server)
    const lock = await holdSession(server.database, 'lock table private.sessions in access exclusive mode')
    onTestFinished(() => lock.close())
    const login = tryLogin(server, bert.email, PASSWORD)
    await untilBlocked(server.database)
    const changed = await hashPassword('another password')
    await server.database.pool.query('update users set password_hash = $1 where email = $2', [changed, bert.email])
    await lock.commit()
    expect(await login).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    const { rows } = await server.database.pool.query(
      'select from private.sessions join users on users.id = user_id where email = $1 and revoked_at is null',
      [bert.email],
    )
    expect(rows).toHaveLength(0)
  })

  test('ends the oldest of a hundred sessions of one user, and nobody else’s', async () => {
    const bert = await makePerson(server)
    const [first, others] = [await logIn(server, bert), await logIn(server, anna)]
    const second = await logIn(server, bert)
    // As many as sign-ins would leave, without the time that a hundred passwords take.
    await server.database.pool.query(
      `insert into private.sessions (token_hash, user_id, created_at, expires_at)
       select sha256(gen_random_uuid()::text::bytea), user_id, clock_timestamp(), expires_at
       from private.sessions, generate_series(1, 97) where token_hash = $1`,
      [hashToken(second)],
    )
    const hundredth = await logIn(server, bert)
    expect(await isGood(server, first)).toBe(true)
    const last = await logIn(server, bert)
    await untilBad(server, first)
    for (const token of [second, hundredth, last, others]) expect(await isGood(server, token)).toBe(true)
    const { rows } = await server.database.pool.query(
      'select count(*)::int as count from private.sessions join users on users.id = user_id where email = $1',
      [bert.email],
    )
    expect(rows).toEqual([{ count: 100 }])
  })
})

test('of a token and a password, only hashes are in the database, wherever one looks', async () => {
  const bert = await makePerson(server, { password: 'rosebud in clear' })
  const session = (await tryLogin(server, bert.email, 'rosebud in clear')).token
  const operator = await signInOperator(server.database)
  const { data } = await askWith(
    server,
    operator,
    'mutation { createApiToken(input: { name: "x", role: OPERATOR }) { ... on CreateApiTokenSuccess { token } } }',
  )
  const secrets = [session, data.createApiToken.token, operator, 'rosebud in clear']
  const { pool } = server.database
  const { rows: tables } = await pool.query(
    "select table_schema, table_name from information_schema.tables where table_schema in ('public', 'private')",
  )
  expect(tables.length).toBeGreaterThan(6)
  let rowsRead = 0
  for (const { table_schema, table_name } of tables) {
    const { rows } = await pool.query(`select * from "${table_schema}"."${table_name}"`)
    rowsRead += rows.length
    for (const value of rows.flatMap((row) => Object.values(row))) {
      const text = Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value)
      for (const secret of secrets) {
        expect(text).not.toContain(secret)
        expect(text).not.toContain(secret.replace(/^thesaurum_[a-z]+_/, ''))
        if (Buffer.isBuffer(value)) expect(value.equals(Buffer.from(secret.slice(-43), 'base64url'))).toBe(false)
      }
    }
  }
  expect(rowsRead).toBeGreaterThan(10)
})

describe('a session', () => {
  test('is over with its logout, at once, and no other with it', async () => {
    const [token, other] = [await logIn(server, anna), await logIn(server, anna)]
    const before = await databaseClock(server.database)
    const { data } = await askWith(server, token, LOGOUT)
    const { endedAt } = data.logout
    expect([endedAt > before, endedAt < (await databaseClock(server.database))]).toEqual([true, true])
    expect(await isGood(server, token)).toBe(false)
    expect(await isGood(server, other)).toBe(true)
  })

  test('that is in the past is told to be, and nobody is told that it takes an operator', async () => {
    const token = await logIn(server, await makePerson(server))
    const { data, errors } = await askWith(
      server,
      token,
      'mutation { a: logout { __typename } b: logout { __typename } }',
    )
    expect(data).toEqual({ a: { __typename: 'LogoutSuccess' }, b: null })
    expect(errors).toMatchObject([
      { message: 'The session has already ended. There is nothing to do.', extensions: { code: 'UNAUTHENTICATED' } },
    ])
  })

  test('cannot be logged out of by a stranger, or by a token that is none of a session', async () => {
    expect(await server.ask(LOGOUT, {}, {})).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    expect(await server.ask(LOGOUT)).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
    expect(await isGood(server, server.token)).toBe(true)
  })

  test('that was logged out of through another server is over soon', async () => {
    const other = await serverForTest({}, server.database)
    const token = await logIn(server, anna)
    expect(await isGood(other, token)).toBe(true)
    await askWith(server, token, LOGOUT)
    await untilBad(other, token)
  })

  test('ends when nothing was asked for a while, and goes on for as long as something is', async () => {
    const short = await serverForTest({ SESSION_IDLE_MS: '60000' }, server.database)
    const [idle, busy] = [await logIn(short, anna), await logIn(short, anna)]
    const secondsSilent = async (token: string) => {
      const { rows } = await server.database.pool.query(
        'select extract(epoch from clock_timestamp() - last_seen_at)::float as silent from private.sessions where token_hash = $1',
        [hashToken(token)],
      )
      return rows[0].silent
    }
    for (let times = 0; times < 3; times++) {
      for (const token of [idle, busy]) await ageSession(server.database, token, 25_000)
      // Only one of them is asked with.
      await vi.waitFor(async () => {
        expect(await isGood(short, busy)).toBe(true)
        expect(await secondsSilent(busy)).toBeLessThan(25)
      })
    }
    expect(await isGood(short, idle)).toBe(false)
    // And now nobody asks. Meanwhile what was known of it is forgotten.
    await ageSession(server.database, busy, 60_000)
    const afresh = await serverForTest({}, server.database)
    expect(await isGood(afresh, busy)).toBe(false)
  })

  /** A session that was used in its last moment: had it not been, it would have ended at `endedAt`. */
  async function useInLastMoment(short: TestServer, beforeUse: (token: string) => Promise<void> = async () => {}) {
    // A busy machine may be too late: then the next session has more time left.
    for (let leftMs = 300; ; leftMs *= 2) {
      const token = await logIn(short, anna)
      await ageSession(server.database, token, 60_000 - leftMs)
      const endedAt = await databaseTime(
        server.database.pool,
        `(select last_seen_at + interval '60 seconds' from private.sessions where token_hash = $1)`,
        [hashToken(token)],
      )
      await beforeUse(token)
      if (await isGood(short, token)) return { token, endedAt }
    }
  }

  test('goes on after a request in its last moment', async () => {
    const short = await serverForTest({ SESSION_IDLE_MS: '60000' }, server.database)
    const { token, endedAt } = await useInLastMoment(short)
    while ((await databaseTime(server.database.pool)) < endedAt + 1) expect(await isGood(short, token)).toBe(true)
    expect(await isGood(short, token)).toBe(true)
  })

  test('goes on after a request in its last moment that is noted late', async () => {
    const short = await serverForTest({ SESSION_IDLE_MS: '60000' }, server.database)
    let holder: HeldSession | undefined
    const { token, endedAt } = await useInLastMoment(short, async (token) => {
      await holder?.close()
      holder = await holdSession(
        server.database,
        'select from private.sessions where token_hash = $1 for no key update',
        [hashToken(token)],
      )
    })
    await untilBlocked(server.database, 1, 'update%')
    await vi.waitFor(async () => expect(await databaseTime(server.database.pool)).toBeGreaterThan(endedAt + 0.5))
    const other = await logIn(short, anna)
    const later = isGood(short, token)
    // By the time that this is answered, the other would be as well.
    expect(await isGood(short, other)).toBe(true)
    await holder?.commit()
    expect(await later).toBe(true)
  })

  test('ends at its time, however much is asked, and not before', async () => {
    const patient = await serverForTest({ SESSION_IDLE_MS: '31536000000' }, server.database)
    const token = await logIn(patient, anna)
    const lifetimeMs = 86_400_000
    await ageSession(server.database, token, lifetimeMs - 3_600_000)
    for (let times = 0; times < 5; times++) expect(await isGood(patient, token)).toBe(true)
    await ageSession(server.database, token, 3_600_001)
    await untilBad(patient, token)
  })

  test('gives what the user’s role gives now', async () => {
    const bert = await makePerson(server)
    const token = await logIn(server, bert)
    const codeOf = async () =>
      (await askWith(server, token, '{ ledger { userCount } }')).errors?.[0]?.extensions.code ?? 'none'
    expect(await codeOf()).toBe('FORBIDDEN')
    await server.database.pool.query("update users set role = 'OPERATOR' where email = $1", [bert.email])
    await vi.waitFor(async () => expect(await codeOf()).toBe('none'), { interval: 20 })
    await server.database.pool.query("update users set role = 'USER' where email = $1", [bert.email])
    await vi.waitFor(async () => expect(await codeOf()).toBe('FORBIDDEN'), { interval: 20 })
  })
})

describe('a request is refused with 401', () => {
  const unknown = `thesaurum_session_${'A'.repeat(43)}`
  test.each([
    ['no token', 'rosebud'],
    ['an empty header', ''],
    ['a scheme alone', 'Bearer'],
    ['another scheme', `Basic ${unknown}`],
    ['a token without its scheme', unknown],
    ['two tokens', `Bearer ${unknown} ${unknown}`],
    ['a token of no kind', `Bearer thesaurum_root_${'A'.repeat(43)}`],
    ['a token that nobody was given', `Bearer ${unknown}`],
    ['an API token that nobody was given', `Bearer thesaurum_api_${'A'.repeat(43)}`],
    ['a token with one more letter', `Bearer ${unknown}A`],
  ])('that shows %s, whatever it asks for', async (_what, authorization) => {
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
      const response = await fetch(server.endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept, authorization },
        body: JSON.stringify({ query: LOGIN, variables: { email: anna.email, password: PASSWORD } }),
      })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer\b/)
      const text = await response.text()
      expect(JSON.parse(text)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
      expect(text).not.toMatch(/rosebud|AAAA/)
    }
  })

  test('that shows what is over; in another case the scheme is the same', async () => {
    const token = await logIn(server, anna)
    for (const scheme of ['bearer', 'BEARER'])
      expect((await server.ask('{ viewer { id } }', {}, { authorization: `${scheme} ${token}` })).data.viewer.id).toBe(
        anna.id,
      )
    await server.database.pool.query(`update private.sessions set expires_at = clock_timestamp()`)
    await untilBad(server, token)
    const { status, challenge, errors } = await askWith(server, token, '{ viewer { id } }')
    expect([status, challenge]).toEqual([401, expect.stringMatching(/^Bearer error="invalid_token"/)])
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }])
  })
})
