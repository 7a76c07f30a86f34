import { REFUSAL_MESSAGES } from '../ledger/model/refusal.ts'
import { UNAVAILABLE_MESSAGES, type UnavailableCode } from '../ledger/model/unavailable.ts'
import type { Message } from './result-codes.ts'

/* Every code in `errors[].extensions.code`. `npm run errors` writes docs/errors.md from this and from result-codes.ts. */

export type RequestCodeRules = Message & {
  /** Where it is undefined, `extensions` has no `retryable`: the same request fails again. */
  readonly retryable?: boolean
  /** The HTTP status of a request of which nothing was executed. Other requests get 200. */
  readonly status?: number
  /** The header Retry-After, where the status is set. */
  readonly retryAfterSeconds?: number
  /** What a client does about it. */
  readonly remedy: string
}

const SEND_AGAIN = 'Send the same request again, a posting with the same key. Double the pause each time.'
const RESUME = 'Subscribe again with `since: extensions.cursor`. No event is lost.'

export const REQUEST_CODES = {
  UNAUTHENTICATED: {
    varies: 'Says whether a token is missing, malformed, invalid or expired, or whether the session has ended.',
    status: 401,
    remedy: 'Sign in with `login`, and send the new token. Subscriptions resume with `since`.',
  },
  FORBIDDEN: {
    varies: 'Says who may do this.',
    remedy: 'Use the token of an operator. Some operations need an operator who is signed in.',
  },
  BAD_REQUEST: {
    varies: 'Says what is wrong with the request, or which limit it exceeds.',
    status: 400,
    remedy: 'Correct the request, or split it. The [table of limits](security.md#limits) has every limit.',
  },
  GRAPHQL_PARSE_FAILED: {
    varies: 'Says what the parser expected. `locations` says where.',
    status: 400,
    remedy: 'Correct the syntax of the document.',
  },
  GRAPHQL_VALIDATION_FAILED: {
    varies: 'Names the field, argument, type or fragment that does not fit the schema.',
    status: 400,
    remedy: 'Correct the document: [schema.graphql](../schema.graphql) is the schema.',
  },
  OPERATION_RESOLUTION_FAILURE: {
    message: 'Could not determine what operation to execute.',
    status: 400,
    remedy: 'Put one operation in the document, or name one of several in `operationName`.',
  },
  BAD_USER_INPUT: {
    varies: 'Names each wrong variable or argument, and what is wrong with it.',
    remedy: 'Correct the input. `extensions.fields` has the path and the message of each wrong field.',
  },
  ACCOUNT_NOT_FOUND: {
    message: REFUSAL_MESSAGES.ACCOUNT_NOT_FOUND,
    remedy: 'Check the id of the account that you subscribe to. An account that is not yours looks the same.',
  },
  CURSOR_EXPIRED: {
    varies: 'Names the argument that has a cursor from before the ledger was restored.',
    remedy: 'Drop the cursor. Read the list from its beginning, or the balance again, and continue with a new cursor.',
  },
  TOO_COSTLY: {
    varies: 'Has the cost of the operation and the limit.',
    status: 400,
    remedy: 'Ask for fewer fields or smaller pages, or send several operations.',
  },
  TOO_MANY_SUBSCRIPTIONS: {
    varies: 'Says whether the limit of the socket or of the viewer is reached.',
    remedy: 'End a subscription, or open another socket if the limit is that of the socket.',
  },
  TOO_MANY_REQUESTS: {
    message: 'This connection has too many requests in flight. Wait for answers before you send more.',
    retryable: true,
    status: 429,
    remedy: 'Connect again. Wait for answers before you send more requests.',
  },
  PERSISTED_QUERY_NOT_FOUND: {
    varies: 'Is `PersistedQueryNotFound` for an unknown hash, or says that the document is not on the list.',
    status: 400,
    remedy: 'Send the text of the document, or [list the operation](operations.md#persisted-operations).',
  },
  PERSISTED_QUERY_NOT_SUPPORTED: {
    message: 'PersistedQueryNotSupported',
    status: 400,
    remedy: 'Send the text of the document. This server has no list of operations.',
  },
  OVERLOADED: {
    message: UNAVAILABLE_MESSAGES.OVERLOADED,
    retryable: true,
    status: 503,
    retryAfterSeconds: 1,
    remedy: SEND_AGAIN,
  },
  RETRIES_EXHAUSTED: {
    message: UNAVAILABLE_MESSAGES.RETRIES_EXHAUSTED,
    retryable: true,
    remedy: SEND_AGAIN,
  },
  OUTCOME_UNKNOWN: {
    message: UNAVAILABLE_MESSAGES.OUTCOME_UNKNOWN,
    retryable: true,
    remedy: SEND_AGAIN,
  },
  UNAVAILABLE: {
    message: 'The ledger could not answer. Try again later.',
    retryable: true,
    status: 503,
    retryAfterSeconds: 1,
    remedy: SEND_AGAIN,
  },
  DEADLINE_EXCEEDED: {
    message: 'The operation took too long. Ask for less, or try again later.',
    retryable: true,
    remedy: 'Ask for less, or send the same query again later.',
  },
  INTERNAL_SERVER_ERROR: {
    message: 'Server error. Report it with `extensions.requestId`.',
    remedy: 'Report it with `extensions.requestId`. The log of the server has a line with this id.',
  },
  SLOW_CONSUMER: {
    message: 'Too many events were left unread. Subscribe again with `since`: nothing is lost.',
    retryable: true,
    remedy: `${RESUME} Read the events faster.`,
  },
  FEED_TIMED_OUT: {
    message: 'Reading the next events timed out three times. Subscribe again with `since`: nothing is lost.',
    retryable: true,
    remedy: RESUME,
  },
  FEED_FAILED: {
    message:
      'The next events could not be read because of an error in the server. Report it, then subscribe again with `since`: nothing is lost.',
    retryable: false,
    remedy: `Report it. ${RESUME}`,
  },
  FEED_CLOSED: {
    message:
      'The ledger was restored from a backup. An operator must run `npm run era:renew` before the whole ledger can be watched.',
    retryable: false,
    remedy: 'Run `npm run era:renew` as [Backup and restore](operations.md#backup-and-restore) says.',
  },
} as const satisfies Record<string, RequestCodeRules> & Record<UnavailableCode, RequestCodeRules & { retryable: true }>

export type RequestCode = keyof typeof REQUEST_CODES

type CodeWith<Field extends string> = {
  [Code in RequestCode]: (typeof REQUEST_CODES)[Code] extends Record<Field, unknown> ? Code : never
}[RequestCode]

/** Codes of which every error has the same message. */
export type FixedCode = CodeWith<'message'>

/** Codes that set the HTTP status of a request of which nothing was executed. */
export type StatusCode = CodeWith<'status'>
