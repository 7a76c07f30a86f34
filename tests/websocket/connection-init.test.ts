import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openClient, openSocket } from '../support/graphql-transport.ts'
import { useServer } from '../support/server.ts'
import { askWith, logIn, PASSWORD, usePerson } from '../support/sign-in.ts'

/* Who a socket is: its token is in the payload of `connection_init` or in the handshake. */

const WATCH = 'subscription ($id: ID!, $since: String) { entryPosted(accountId: $id, since: $since) { sequence } }'
const LOGOUT = 'mutation { logout { ... on LogoutSuccess { endedAt } } }'

const server = useServer()
const anna = usePerson(server)
const bert = usePerson(server)

describe('connection_init', () => {
  const unknown = `thesaurum_session_${'A'.repeat(43)}`
  test.each<[string, unknown]>([
    ['a token that nobody was given', `Bearer ${unknown}`],
    ['no token at all', 'Bearer rosebud'],
    ['a token without its scheme', unknown],
    ['another scheme', 'Basic dXNlcjpwYXNz'],
    ['an empty text', ''],
    ['a number', 7],
    ['an object', { token: unknown }],
  ])('that shows %s closes the socket with 4403', async (_what, authorization) => {
    const client = await openSocket(server.socketEndpoint)
    client.send({ type: 'connection_init', payload: { authorization } })
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
  })

  test('with the token of a session that is over closes the socket with 4403', async () => {
    const token = await logIn(server, anna)
    await askWith(server, token, LOGOUT)
    const client = await openSocket(server.socketEndpoint)
    client.send({ type: 'connection_init', payload: { Authorization: `bearer ${token}` } })
    expect(await client.waitForClose()).toEqual({ code: 4403, reason: 'Forbidden' })
  })

  /** Who a socket is, with this payload of `connection_init` and these headers of the handshake; or how it was closed. */
  async function whoIs(payload: Record<string, unknown> | undefined, headers: Record<string, string> = {}) {
    const client = await openSocket(server.socketEndpoint, { headers })
    client.send({ type: 'connection_init', ...(payload && { payload }) })
    // Rejected once the socket is closed.
    const acknowledged = await client.waitForMessage().catch(() => undefined)
    if (!acknowledged) return (await client.waitForClose()).code
    client.subscribe('who', { query: '{ viewer { id } }' })
    const { payload: answer } = await client.waitForMessage()
    client.webSocket.close()
    await client.waitForClose()
    return answer.data.viewer?.id ?? null
  }

  test('may have its token in the payload, among the headers of the payload, or in the handshake', async () => {
    const authorization = `Bearer ${await logIn(server, anna)}`
    for (const payload of [
      { authorization },
      { Authorization: authorization },
      { AUTHORIZATION: authorization },
      { headers: { Authorization: authorization } },
      { headers: { authorization } },
      { Headers: { AUTHORIZATION: authorization } },
      { authorization: null, headers: { authorization } },
    ])
      expect([payload, await whoIs(payload)]).toEqual([payload, anna.id])
    for (const payload of [undefined, {}, { authorization: null }, { headers: null }, { headers: {} }, { headers: [] }])
      expect([payload, await whoIs(payload, { authorization })]).toEqual([payload, anna.id])
    expect(await whoIs({ headers: { cookie: 'a' } })).toBeNull()
  })

  test('goes by the payload where the handshake has a token too', async () => {
    const [annas, berts] = await Promise.all([anna, bert].map(async (who) => `Bearer ${await logIn(server, who)}`))
    const handshake = { authorization: annas as string }
    expect(await whoIs({ authorization: berts }, handshake)).toBe(bert.id)
    expect(await whoIs({ headers: { Authorization: berts } }, handshake)).toBe(bert.id)
    expect(await whoIs({ authorization: berts, headers: { authorization: annas } })).toBe(bert.id)
    // A bad one is not passed over for a good one.
    for (const payload of [
      { authorization: '' },
      { authorization: 'Bearer rosebud' },
      { headers: { authorization: 5 } },
    ])
      expect([payload, await whoIs(payload, handshake)]).toEqual([payload, 4403])
  })

  test.each(['Bearer rosebud', 'Basic dXNlcjpwYXNz', `Bearer ${unknown}`])(
    'without a token closes the socket with 4403 where the handshake shows a bad one: %s',
    async (authorization) => {
      expect(await whoIs({}, { authorization })).toBe(4403)
    },
  )

  test('without a token makes a socket that is good for signing in, and for nothing else', async () => {
    const client = await openClient(server.socketEndpoint, { token: null })
    const answerTo = async (query: string, variables = {}) => {
      const id = randomUUID()
      client.subscribe(id, { query, variables })
      const answer = await client.waitForMessage()
      expect(answer.type).toBe('next')
      expect(await client.waitForMessage()).toEqual({ id, type: 'complete' })
      return answer.payload
    }
    expect(await answerTo('{ viewer { id } }')).toEqual({ data: { viewer: null } })
    for (const query of ['{ ledger { transactionCount } }', '{ users(first: 1) { totalCount } }', LOGOUT]) {
      expect(await answerTo(query)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    }
    client.subscribe('watch', { query: WATCH, variables: { id: anna.id } })
    const refused = await client.waitForMessage()
    expect(JSON.stringify(refused)).toContain('UNAUTHENTICATED')
    await client.drain()
    const login = `mutation ($email: String!, $password: String!) {
      login(input: { email: $email, password: $password }) { ... on LoginSuccess { token user { id } } }
    }`
    const { data } = await answerTo(login, { email: anna.email, password: PASSWORD })
    expect(data.login.user.id).toBe(anna.id)
    const own = await openClient(server.socketEndpoint, { token: data.login.token })
    own.subscribe('me', { query: '{ viewer { email } }' })
    expect(await own.waitForMessage()).toMatchObject({ payload: { data: { viewer: { email: anna.email } } } })
  })
})
