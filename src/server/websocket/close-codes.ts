/*
 * Codes that sockets are closed with, besides those of graphql-ws (`CloseCode`). The first three are of RFC 6455's registry;
 * graphql-ws clients try again after all of them but INVALID_PAYLOAD.
 */

/** A message is not UTF-8. */
export const INVALID_PAYLOAD = 1007
/** The server goes away and comes back. */
export const SERVICE_RESTART = 1012
export const TRY_AGAIN_LATER = 1013
/** Too much waits for the client, or it has not read anything for a while. Subscriptions resume with `since`. */
export const SLOW_CONSUMER = 4413
