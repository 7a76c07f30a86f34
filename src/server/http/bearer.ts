import type { IncomingMessage } from 'node:http'
import type { Auth } from '../../auth/auth.ts'
import { NOBODY } from '../../auth/model/viewer.ts'
import type { Caller } from '../../schema/context.ts'
import { clientAddress } from './client-address.ts'

/** A token was shown that gives nothing (any more), or something that is no token. */
export const BAD_TOKEN = Symbol('bad token')

/** RFC 6750: the scheme in any case, one space, the token. */
const BEARER = /^Bearer +(\S+) *$/i

/** What is wrong with a header that gave `BAD_TOKEN`, and what to do. */
export function badTokenMessage(authorization: string | undefined): string {
  return BEARER.test(authorization ?? '')
    ? 'Invalid or expired token. Sign in again without it, and send the new one.'
    : 'The Authorization header must be `Bearer <token>`.'
}

/**
 * Who sends a request.
 *
 * @param authorization as in the header of that name; undefined: nothing was shown.
 */
export function callerOf(
  request: IncomingMessage,
  authorization: unknown,
  authenticator: Auth['authenticator'],
  trustedProxyCount: number,
): Caller | typeof BAD_TOKEN | Promise<Caller | typeof BAD_TOKEN> {
  const client = clientAddress(request, trustedProxyCount)
  if (authorization === undefined || authorization === null) return { viewer: NOBODY, token: null, client }
  const token = typeof authorization === 'string' ? BEARER.exec(authorization)?.[1] : undefined
  if (token === undefined) return BAD_TOKEN
  const viewer = authenticator.check(token)
  if (viewer instanceof Promise) return viewer.then((viewer) => (viewer ? { viewer, token, client } : BAD_TOKEN))
  return viewer ? { viewer, token, client } : BAD_TOKEN
}
