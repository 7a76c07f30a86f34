import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { type Viewer, viewerOfUser } from '../../src/auth/model/viewer.ts'
import { hashToken, makeToken, tokenKindOf } from '../../src/auth/token.ts'
import { BAD_TOKEN, callerOf } from '../../src/server/http/bearer.ts'
import { clientAddress } from '../../src/server/http/client-address.ts'

test('a token tells its kind, and nothing else has one', () => {
  expect(tokenKindOf(makeToken('session'))).toBe('session')
  expect(tokenKindOf(makeToken('api'))).toBe('api')
  const token = makeToken('api')
  for (const text of [
    '',
    token.slice(1),
    `${token}A`,
    ` ${token}`,
    `${token}\n`,
    token.slice(0, -1),
    token.toUpperCase(),
  ])
    expect(tokenKindOf(text), JSON.stringify(text)).toBeUndefined()
  for (const kind of ['root', 'constructor', '__proto__'])
    expect(tokenKindOf(`thesaurum_${kind}_${'A'.repeat(43)}`)).toBeUndefined()
})

test('the hash of a token is that of all its text', () => {
  const token = makeToken('session')
  expect(hashToken(token)).toHaveLength(32)
  expect(hashToken(token).equals(hashToken(token))).toBe(true)
  expect(hashToken(token).equals(hashToken(token.replace('session', 'api')))).toBe(false)
})

/** A request as it comes from an address. */
const from = (remoteAddress: string, forwarded?: string) =>
  ({
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    socket: { remoteAddress },
  }) as unknown as IncomingMessage

test.each([
  [from('192.0.2.9'), 0, '192.0.2.9'],
  [from('::ffff:192.0.2.9'), 0, '192.0.2.9'],
  [from('192.0.2.9', '203.0.113.1'), 0, '192.0.2.9'],
  [from('192.0.2.9', '203.0.113.1'), 1, '203.0.113.1'],
  [from('192.0.2.9', 'spoofed, 198.51.100.7,  203.0.113.1 '), 1, '203.0.113.1'],
  [from('192.0.2.9', '198.51.100.7, 203.0.113.1, 203.0.113.2'), 2, '203.0.113.1'],
  [from('192.0.2.9', '203.0.113.1:4711'), 1, '203.0.113.1'],
  [from('192.0.2.9', '[2001:db8::1]:4711'), 1, '2001:db8::1'],
  [from('192.0.2.9', '2001:db8::1'), 1, '2001:db8::1'],
  [from('192.0.2.9', '203.0.113.1:rosebud'), 1, '192.0.2.9'],
  // Fewer than there should be, or no address: whoever sent it did not come through the proxies.
  [from('192.0.2.9', '203.0.113.1'), 2, '192.0.2.9'],
  [from('192.0.2.9', 'rosebud'), 1, '192.0.2.9'],
  [from('192.0.2.9', ''), 1, '192.0.2.9'],
  [from('192.0.2.9'), 1, '192.0.2.9'],
])('a client is where its proxies say (%#)', (request, trusted, address) => {
  expect(clientAddress(request, trusted)).toBe(address)
})

const viewer = viewerOfUser('01234567-89ab-7def-8123-456789abcdef', 'USER', new Set())
const authenticator = { check: (token: string): Viewer | undefined => (token === 'good' ? viewer : undefined) }
const callerBy = (authorization: unknown) => callerOf(from('192.0.2.9'), authorization, authenticator as never, 0)

test.each(['Bearer good', 'bearer good', 'BEARER good', 'Bearer   good', 'Bearer good  '])(
  '%j shows a token',
  (header) => {
    expect(callerBy(header)).toEqual({ viewer, token: 'good', client: '192.0.2.9' })
  },
)

test.each([
  '',
  ' ',
  'good',
  'Bearer',
  'Bearer ',
  'Bearergood',
  ' Bearer good',
  'Bearer good good',
  'Bearer\tgood',
  'Bearer bad',
  'Basic good',
  'Bearer good, Bearer good',
  7,
  {},
  [],
  true,
  ['Bearer good'],
])('%j is none', (authorization) => {
  expect(callerBy(authorization)).toBe(BAD_TOKEN)
})

test.each([undefined, null])('%s shows nothing: it is nobody who asks', (authorization) => {
  expect(callerBy(authorization)).toMatchObject({ token: null, viewer: { role: null } })
})
