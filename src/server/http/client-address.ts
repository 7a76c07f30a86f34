import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { isLoopback, plainAddress } from '../../auth/model/network.ts'

/**
 * The address of a client. Each proxy appends the address it was asked from to X-Forwarded-For: of that list only the
 * entries of one's own proxies can be believed, which are the last.
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxyCount: number): string {
  const peer = plainAddress(socket.remoteAddress ?? '')
  if (trustedProxyCount === 0) return peer
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
  // Some proxies write the port too: 192.0.2.1:4711, [2001:db8::1]:4711.
  const entry = forwarded.at(-trustedProxyCount)?.trim() ?? ''
  const [, ipv6, ipv4] = /^(?:\[(.+)\]|([\d.]+))(?::\d+)?$/.exec(entry) ?? []
  const address = ipv6 ?? ipv4 ?? entry
  return isIP(address) ? plainAddress(address) : peer
}

/** What browsers send when they open a page, besides `sec-…`. */
const BROWSER_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'connection',
  'cookie',
  'dnt',
  'host',
  'if-modified-since',
  'if-none-match',
  'keep-alive',
  'origin',
  'pragma',
  'priority',
  'purpose',
  'referer',
  'te',
  'upgrade-insecure-requests',
  'user-agent',
])

/**
 * Whether a browser on this machine requests a page by a name of this machine, with no sign of a proxy in between. Proxies add
 * headers, and no list has all of theirs: any header that browsers do not send themselves counts as one.
 */
export function isLocal({ headers, socket }: IncomingMessage): boolean {
  const isDirect = Object.keys(headers).every((name) => BROWSER_HEADERS.has(name) || name.startsWith('sec-'))
  const isHere = isLoopback(socket.remoteAddress ?? '')
  return isHere && isDirect && /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(headers.host ?? '')
}
