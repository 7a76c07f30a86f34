import type { IncomingMessage } from 'node:http'

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value of a header in an object of headers, whose names may be in any case. */
function headerIn(headers: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.entries(headers).find(([key, value]) => key.toLowerCase() === name && value != null)?.[1]
}

/**
 * The credentials of a socket. Clients send them in the payload of `connection_init`, by themselves or among `headers`; those
 * that can set headers of the handshake may send them there. The payload wins: a client chooses it, a library may add headers.
 */
export function socketAuthorization(payload: unknown, handshake: IncomingMessage): unknown {
  const inHeaders = isObject(payload) ? headerIn(payload, 'headers') : undefined
  return (
    (isObject(payload) ? headerIn(payload, 'authorization') : undefined) ??
    (isObject(inHeaders) ? headerIn(inHeaders, 'authorization') : undefined) ??
    handshake.headers.authorization
  )
}
