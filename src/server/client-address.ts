import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/**
 * The address of a client. Each proxy appends the address it was asked from to X-Forwarded-For: of that list only the
 * entries of one's own proxies can be believed, which are the last.
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxyCount: number): string {
  const peer = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '')
  if (trustedProxyCount === 0) return peer
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
  // Some proxies write the port too: 192.0.2.1:4711, [2001:db8::1]:4711.
  const entry = forwarded.at(-trustedProxyCount)?.trim() ?? ''
  const [, ipv6, ipv4] = /^(?:\[(.+)\]|([\d.]+))(?::\d+)?$/.exec(entry) ?? []
  const address = ipv6 ?? ipv4 ?? entry
  return isIP(address) ? address : peer
}

/** Whether a request comes from this machine, to a name of this machine, and from no proxy that says so. */
export function isLocal({ headers, socket }: IncomingMessage): boolean {
  const isForwarded = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'].some(
    (name) => headers[name] !== undefined,
  )
  const peer = (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const isLoopback = peer === '::1' || peer.startsWith('127.')
  return isLoopback && !isForwarded && /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(headers.host ?? '')
}
