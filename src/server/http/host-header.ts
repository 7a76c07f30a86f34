import type { IncomingMessage } from 'node:http'

/** Hosts that were good: parsing a URL takes longer than everything else that is done before GraphQL. */
const goodHosts = new Set<string>()
const GOOD_HOSTS_MAX = 100
const KEPT_LENGTH_MAX = 255

/** Whether the Host header is well-formed, and there is no second one: Node joins the two by a comma and a space. */
export function namesOneHost({ headers: { host = 'localhost' } }: IncomingMessage): boolean {
  if (goodHosts.has(host)) return true
  const isGood = URL.canParse(`http://${host || 'localhost'}`)
  if (isGood && goodHosts.size < GOOD_HOSTS_MAX && host.length <= KEPT_LENGTH_MAX) goodHosts.add(host)
  return isGood
}
