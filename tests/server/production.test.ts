import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { useFolder } from '../support/folder.ts'
import { refusalOf } from '../support/graphql-transport.ts'
import { PRODUCTION } from '../support/production.ts'
import { useServers } from '../support/server.ts'

/* What surrounds GraphQL, in development and in production. */

const APP = 'https://app.example.com'
const READ = JSON.stringify({ query: '{ __typename }' })

/** An empty NODE_ENV counts as none: there is demo data, and the token of its operator in the folder. */
const DEVELOPMENT = { NODE_ENV: '', DATA_DIR: useFolder() }
const ORIGINS = { ALLOWED_ORIGINS: `${APP},https://other.example.com` }
const servers = useServers({
  development: { ...DEVELOPMENT, ...ORIGINS },
  production: { ...PRODUCTION, ...ORIGINS },
})

const MODES = ['development', 'production'] as const

const send = (mode: keyof typeof servers, init: RequestInit = {}, path = '/graphql') =>
  fetch(servers[mode].address + path, {
    redirect: 'manual',
    ...init,
    headers: { ...(init.body && { 'content-type': 'application/json' }), ...init.headers },
  })

describe.each(MODES)('in %s', (mode) => {
  const preflight = (origin: string | null, headers = 'authorization,content-type') =>
    send(mode, {
      method: 'OPTIONS',
      headers: {
        ...(origin && { origin }),
        'access-control-request-method': 'POST',
        'access-control-request-headers': headers,
      },
    })

  test('a page of the list may ask, and have the answer', async () => {
    const { status, headers } = await preflight(APP)
    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe(APP)
    expect(headers.get('access-control-allow-methods')).toBe('GET, POST')
    expect(headers.get('access-control-allow-headers')).toBe('authorization,content-type')
    expect(headers.get('vary')).toBe('Origin, Access-Control-Request-Headers')
    const answer = await send(mode, { method: 'POST', body: READ, headers: { origin: APP } })
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } })
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP)
    expect(answer.headers.get('vary')).toMatch(/\bOrigin\b/)
  })

  test.each([
    'authorization,baggage,content-type,sentry-trace,traceparent',
    'apollographql-client-name, apollographql-client-version, content-type',
    'x-statement-count',
    'a'.repeat(1_000),
  ])('a page of the list may send the headers that it asks for: %.60s', async (asked) => {
    const { headers } = await preflight(APP, asked)
    expect(headers.get('access-control-allow-headers')).toBe(asked)
  })

  test.each(['', 'a b', 'a,,b', ',a', 'a,', 'a:b', 'a;b', '"a"', '<a>', 'é', 'a'.repeat(1_001)])(
    'names of headers that are none, or too many, are not repeated: %.20s',
    async (asked) => {
      const { status, headers } = await preflight(APP, asked)
      expect([status, headers.get('access-control-allow-headers')]).toEqual([204, 'authorization, content-type'])
    },
  )

  test('a page of the list is told of a refusal, and of whatever is wrong with its token', async () => {
    const answer = await send(mode, { method: 'POST', body: READ, headers: { origin: APP, authorization: 'Bearer x' } })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([401, APP])
  })

  test.each([
    null,
    'https://evil.example.com',
    'http://app.example.com',
    'https://app.example.com.evil.example',
    'https://APP.example.com',
    `${APP}:8443`,
    'null',
    '*',
  ])('a page of the origin %s is told nothing that lets it read', async (origin) => {
    const asked = await preflight(origin)
    expect(asked.status).toBe(204)
    const answer = await send(mode, { method: 'POST', body: READ, headers: origin ? { origin } : {} })
    for (const { headers } of [asked, answer]) {
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
      // Whatever lies between must not keep one origin's answer for another.
      expect(headers.get('vary')).toMatch(/\bOrigin\b/)
    }
  })

  test('a socket is given to programs, to the own pages and to those of the list, and to no others', async () => {
    const { socketEndpoint, address } = servers[mode]
    const statusOf = (origin?: string) => refusalOf(socketEndpoint, { headers: origin === undefined ? {} : { origin } })
    for (const origin of [undefined, address, APP, 'https://other.example.com'])
      expect(await statusOf(origin), origin).toBe(101)
    for (const origin of [
      'https://evil.example.com',
      'null',
      '',
      '*',
      `${APP}.evil.example`,
      'file://',
      'http://localhost:1',
    ])
      expect(await statusOf(origin), origin).toBe(403)
  })

  test.each([
    '/graphql?query={__typename}',
    '/graphql?query={nothing}',
    '/graphql',
    '/',
    '/health',
    '/nothing',
    '/graphiql/nothing.js',
  ])('every answer says how it may be used: %s', async (path) => {
    const { headers } = await send(mode, {}, path)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toMatch(/frame-ancestors 'none'/)
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('strict-transport-security') !== null).toBe(mode === 'production')
    for (const name of ['set-cookie', 'server', 'x-powered-by', 'access-control-allow-credentials'])
      expect(headers.get(name), name).toBeNull()
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/jsonx',
    '',
  ])('what any page could send unasked is not looked at: %s', async (type) => {
    const answer = await send(mode, { method: 'POST', body: READ, headers: { 'content-type': type } })
    expect(answer.status).toBe(415)
    expect(await answer.json()).not.toHaveProperty('data')
  })

  test.each(['application/json', 'application/json; charset=utf-8', 'application/json;x=y'])(
    'JSON by any writing of its name is taken: %s',
    async (type) => {
      const answer = await send(mode, { method: 'POST', body: READ, headers: { 'content-type': type } })
      expect(answer.status).toBe(200)
    },
  )

  test.each(['gzip', 'br', 'deflate', 'x'])('a body in another coding is refused: %s', async (coding) => {
    const body = coding === 'gzip' ? gzipSync(READ) : READ
    const answer = await send(mode, {
      method: 'POST',
      body,
      headers: { 'content-encoding': coding, 'content-type': 'application/json' },
    })
    expect(answer.status).toBe(415)
  })
})
