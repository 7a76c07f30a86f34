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
/** A message is longer than the limit. `ws` sends it. */
const MESSAGE_TOO_BIG = 1009

/** A message is not UTF-8. */
export const INVALID_PAYLOAD = 1007
/** The server goes away and comes back. */
export const SERVICE_RESTART = 1012
export const TRY_AGAIN_LATER = 1013
/** Too much waits for the client, or it has not read anything for a while. Subscriptions resume with `since`. */
export const SLOW_CONSUMER = 4413

/** The codes that metrics count separately. A client may send any other. */
export const COUNTED_CLOSE_CODES: ReadonlySet<number> = new Set([
  NORMAL,
  GOING_AWAY,
  NO_STATUS,
  ABNORMAL,
  INVALID_PAYLOAD,
  MESSAGE_TOO_BIG,
  SERVICE_RESTART,
  TRY_AGAIN_LATER,
  SLOW_CONSUMER,
  CloseCode.BadRequest,
  CloseCode.Unauthorized,
  CloseCode.Forbidden,
  CloseCode.SubprotocolNotAcceptable,
  CloseCode.ConnectionInitialisationTimeout,
  CloseCode.SubscriberAlreadyExists,
  CloseCode.TooManyInitialisationRequests,
  CloseCode.InternalServerError,
])
