import { CloseCode } from 'graphql-ws'

/*
 * The codes a socket is closed with. No other file writes one as a number; those of graphql-ws are in its `CloseCode`.
 * graphql-ws clients connect again after SERVICE_RESTART, TRY_AGAIN_LATER and SLOW_CONSUMER, and not after INVALID_PAYLOAD.
 */

/** A client has finished. */
const NORMAL = 1000
/** A client leaves: a browser closes the page. */
const GOING_AWAY = 1001
/** The close frame had no code. It is never sent. */
const NO_STATUS = 1005
/** The connection broke without a close frame. It is never sent. */
const ABNORMAL = 1006
/** `ws` sends it. */
const MESSAGE_TOO_BIG = 1009

export const INVALID_PAYLOAD = 1007
export const SERVICE_RESTART = 1012
export const TRY_AGAIN_LATER = 1013
export const SLOW_CONSUMER = 4413

interface CloseCodeRules {
  code: number
  /** Why the server closed the socket. */
  meaning: string
  /** What a client does about it. */
  remedy: string
}

/** The codes that the server sends. `npm run errors` writes docs/errors.md from them. */
export const SENT_CLOSE_CODES: readonly CloseCodeRules[] = [
  {
    code: INVALID_PAYLOAD,
    meaning: 'A message is not UTF-8.',
    remedy: 'Send UTF-8.',
  },
  {
    code: MESSAGE_TOO_BIG,
    meaning: 'A message is larger than 64 KiB.',
    remedy: 'Send the operation over HTTP.',
  },
  {
    code: SERVICE_RESTART,
    meaning: 'The server is stopping.',
    remedy: 'Connect again. Subscribe again with `since`.',
  },
  {
    code: TRY_AGAIN_LATER,
    meaning: 'The viewer has too many sockets (`Too many sockets`), or the database cannot be reached.',
    remedy: 'Close other sockets, or connect again after a pause.',
  },
  {
    code: CloseCode.BadRequest,
    meaning: 'A message does not follow the protocol `graphql-transport-ws`.',
    remedy: 'Correct the client.',
  },
  {
    code: CloseCode.Unauthorized,
    meaning: 'An operation was sent before `connection_ack`.',
    remedy: 'Send `connection_init` first, and wait for `connection_ack`.',
  },
  {
    code: CloseCode.Forbidden,
    meaning: 'The token is invalid or expired, or the session has ended.',
    remedy: 'Sign in again, and connect with the new token.',
  },
  {
    code: CloseCode.SubprotocolNotAcceptable,
    meaning: 'The client does not offer the subprotocol `graphql-transport-ws`.',
    remedy: 'Use a client of that protocol, such as graphql-ws.',
  },
  {
    code: CloseCode.ConnectionInitialisationTimeout,
    meaning: 'No `connection_init` came within 3 seconds.',
    remedy: 'Send it as soon as the socket is open.',
  },
  {
    code: CloseCode.SubscriberAlreadyExists,
    meaning: 'An operation has the id of one that is running.',
    remedy: 'Give each operation on a socket its own id.',
  },
  {
    code: SLOW_CONSUMER,
    meaning: 'Too many bytes waited for the client, or it read nothing for a while.',
    remedy: 'Read faster. Connect again, and subscribe with `since`.',
  },
  {
    code: CloseCode.TooManyInitialisationRequests,
    meaning: 'A second `connection_init` came.',
    remedy: 'Send it once for each socket.',
  },
  {
    code: CloseCode.InternalServerError,
    meaning: 'The server failed.',
    remedy: 'Report it with the id of the socket (header `x-request-id` of its handshake). Then connect again.',
  },
]

/** The codes that metrics count separately. A client may send any other. */
export const COUNTED_CLOSE_CODES: ReadonlySet<number> = new Set([
  NORMAL,
  GOING_AWAY,
  NO_STATUS,
  ABNORMAL,
  ...SENT_CLOSE_CODES.map(({ code }) => code),
])
