import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/* Addresses as Node gives them. `ipaddr.js` takes more (`1` is 0.0.0.1 to it): check a text of a client by `isIP` first. */

const MAPPED = '::ffff:'
/** Of a link-local address: the interface it was reached by, as in `fe80::1%eth0`. */
const ZONE = /%.*$/

/** An IPv4 address in any of its spellings as an IPv6 address becomes plain; any other text stays as it is. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  // As Node writes it. To read it takes 8 µs, and there is one in every request to a server that listens on `::`.
  const ipv4 = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : ''
  if (isIPv4(ipv4)) return ipv4
  if (!isIPv6(address)) return address
  const parsed = ipaddr.process(address.replace(ZONE, ''))
  return parsed instanceof ipaddr.IPv6 ? address : parsed.toString()
}

/** Whether it is an address of this machine, by which it talks to itself. */
export function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback'
}

/** An IPv4 address, or the /64 of an IPv6 address: one IPv6 customer has a whole /64 to come from. */
export function networkOf(address: string): string {
  const plain = plainAddress(address)
  if (!isIPv6(plain)) return plain
  const groups = ipaddr.IPv6.parse(plain.replace(ZONE, '')).parts.slice(0, 4)
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`
}
