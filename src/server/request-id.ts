import { randomBytes } from 'node:crypto'

/** Sent with a request, and with its answer: what to look for in the log. */
export const REQUEST_ID_HEADER = 'x-request-id'

/** UUIDs, ULIDs, hashes and the ids of the usual proxies; nothing that a log or a header would have to escape. */
const REQUEST_ID = /^[A-Za-z0-9._:+/=@-]{1,128}$/

/** A random number of this process and a count: unique without a random number for each request, which costs a microsecond. */
const PROCESS_ID = randomBytes(6).toString('hex')
let count = 0

/** The id that a request brings, if it is well-formed, or a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  if (typeof header === 'string' && REQUEST_ID.test(header)) return header
  count++
  return `${PROCESS_ID}-${count.toString(36)}`
}
