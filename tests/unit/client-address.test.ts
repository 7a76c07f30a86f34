import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { clientAddress, isLocal } from '../../src/server/http/client-address.ts'
import { isAllowedOrigin } from '../../src/server/http/origins.ts'

const request = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage

test('without proxies a client is who connects, whatever it says', () => {
  expect(clientAddress(request('192.0.2.1', { 'x-forwarded-for': '198.51.100.9' }), 0)).toBe('192.0.2.1')
  expect(clientAddress(request('::ffff:192.0.2.1'), 0)).toBe('192.0.2.1')
  expect(clientAddress(request('2001:db8::1'), 0)).toBe('2001:db8::1')
})

test.each([
  [1, '198.51.100.9', '198.51.100.9'],
  [1, 'made up, 198.51.100.9', '198.51.100.9'],
  [1, '203.0.113.5, 198.51.100.9', '198.51.100.9'],
  [2, '203.0.113.5, 198.51.100.9', '203.0.113.5'],
  [2, 'lie, 203.0.113.5,198.51.100.9', '203.0.113.5'],
  [1, '2001:db8::7', '2001:db8::7'],
])('behind %i proxies, of "%s" only what these have written is believed', (count, forwarded, address) => {
  expect(clientAddress(request('192.0.2.1', { 'x-forwarded-for': forwarded }), count)).toBe(address)
})

test.each([
  [1, ''],
  [1, 'unknown'],
  [2, '198.51.100.9'],
  [1, '198.51.100.9, '],
])('behind %i proxies, "%s" is no address: the peer is', (count, forwarded) => {
  expect(clientAddress(request('192.0.2.1', { 'x-forwarded-for': forwarded }), count)).toBe('192.0.2.1')
})

test('a request is of this machine when both its ends are, and no proxy says otherwise', () => {
  for (const peer of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '127.8.8.8'])
    for (const host of ['localhost', 'localhost:4000', '127.0.0.1:4000', '[::1]:4000', 'LOCALHOST:1'])
      expect(isLocal(request(peer, { host })), `${peer} ${host}`).toBe(true)
  for (const host of ['evil.example', 'localhost.evil.example', 'localhost:4000.evil.example', '127.0.0.1.nip.io', ''])
    expect(isLocal(request('127.0.0.1', { host })), host).toBe(false)
  expect(isLocal(request('192.0.2.1', { host: 'localhost' }))).toBe(false)
  expect(isLocal(request(undefined, { host: 'localhost' }))).toBe(false)
  for (const header of [
    ...['forwarded', 'via', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip', 'cf-ray', 'cdn-loop'],
    ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-server'],
    ...['x-original-host', 'x-request-id', 'x-envoy-internal', 'x-amzn-trace-id', 'proxy-connection', 'x-new-proxy'],
  ])
    expect(isLocal(request('127.0.0.1', { host: 'localhost', [header]: '' })), header).toBe(false)
})

test('what a browser itself sends with a page is no proxy', () => {
  const headers = {
    host: 'localhost:4000',
    connection: 'keep-alive',
    'cache-control': 'max-age=0',
    'sec-ch-ua': '"Chromium";v="140"',
    'sec-ch-ua-mobile': '?0',
    'sec-ch-ua-platform': '"Linux"',
    'upgrade-insecure-requests': '1',
    'user-agent': 'Mozilla/5.0',
    accept: 'text/html',
    'sec-fetch-site': 'none',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-user': '?1',
    'sec-fetch-dest': 'document',
    'sec-gpc': '1',
    'accept-encoding': 'gzip, deflate, br, zstd',
    'accept-language': 'en',
    cookie: 'a=b',
    'if-none-match': '"x"',
    dnt: '1',
    priority: 'u=0, i',
    te: 'trailers',
    referer: 'http://localhost:4000/graphql',
  }
  expect(isLocal(request('127.0.0.1', headers))).toBe(true)
})

test('an origin is the own one, or on the list to the letter', () => {
  const allows = (origin: string | undefined, host = 'ledger.example:4000') =>
    isAllowedOrigin(request('192.0.2.1', { host, ...(origin === undefined ? {} : { origin }) }), [
      'https://app.example',
    ])
  for (const origin of [undefined, 'https://app.example', 'http://ledger.example:4000', 'https://ledger.example:4000'])
    expect(allows(origin), origin).toBe(true)
  for (const origin of [
    '',
    'null',
    '*',
    'https://app.example/',
    'http://app.example',
    'https://x.app.example',
    'https://ledger.example',
    'ledger.example:4000',
  ])
    expect(allows(origin), origin).toBe(false)
})
