import type { FailureCode } from '../ledger/model/failed-transaction.ts'
import { REFUSAL_MESSAGES, type RefusalCode } from '../ledger/model/refusal.ts'
import { UNAVAILABLE_MESSAGES, type UnavailableCode } from '../ledger/model/unavailable.ts'

/* Every code of typed results. `npm run errors` writes docs/errors.md from this and from request-codes.ts. */

/** The message of every error with this code; or, where it varies, what the message says. */
export type Message = { readonly message: string } | { readonly varies: string }

export type ResultCodeRules = Message & {
  /** In schema.graphql. */
  readonly description: string
  /** The GraphQL type of results with this code. */
  readonly type?: string
  readonly retryable: boolean
  /** What a client does about it. */
  readonly remedy: string
}

const SEND_AGAIN = 'Send the same request again, with the same key if it has one. Double the pause each time.'

export const RESULT_CODES = {
  VALIDATION: {
    type: 'ValidationError',
    description: 'The input breaks a rule: see `fields`.',
    varies: 'Names each wrong field, and what is wrong with it.',
    retryable: false,
    remedy: 'Correct the input. `fields` has the path and the message of each wrong field.',
  },
  TRANSACTION_NOT_FOUND: {
    type: 'TransactionNotFoundError',
    description: 'There is no such transaction.',
    message: 'There is no such transaction. Check the id.',
    retryable: false,
    remedy: 'Check the id. To a user, a transaction between accounts that are not theirs looks the same.',
  },
  NOT_REVERSIBLE: {
    type: 'NotReversibleError',
    description: 'The transaction cannot be reversed, or not by you: see `reason`.',
    message: 'This transaction cannot be reversed, or not by you. `reason` says why.',
    retryable: false,
    remedy:
      'To undo a reversal, post the original again with a new key. Otherwise ask whoever received the money, or an operator.',
  },
  REVERSAL_EXCEEDS: {
    type: 'ReversalExceedsError',
    description: 'The reversals together would exceed the transaction: see `remaining`.',
    message: REFUSAL_MESSAGES.REVERSAL_EXCEEDS,
    retryable: false,
    remedy: 'Reverse at most `remaining`.',
  },
  INSUFFICIENT_FUNDS: {
    type: 'InsufficientFundsError',
    description: 'The source holds less than the amount.',
    message: REFUSAL_MESSAGES.INSUFFICIENT_FUNDS,
    retryable: false,
    remedy: 'Deposit at least `shortfall` first, or take out less.',
  },
  USER_NOT_FOUND: {
    type: 'UserNotFoundError',
    description: 'There is no such user.',
    message: 'There is no such user. Check the id.',
    retryable: false,
    remedy: 'Check the id in `userId`.',
  },
  ACCOUNT_NOT_FOUND: {
    type: 'AccountNotFoundError',
    description: 'There is no such account.',
    message: REFUSAL_MESSAGES.ACCOUNT_NOT_FOUND,
    retryable: false,
    remedy: 'Check the id in `accountId`. To a user, an account that is not theirs looks the same.',
  },
  ACCOUNT_FROZEN: {
    type: 'AccountFrozenError',
    description: 'The source is frozen.',
    message: REFUSAL_MESSAGES.ACCOUNT_FROZEN,
    retryable: false,
    remedy: 'Ask an operator, who can open the account with `setAccountStatus`.',
  },
  ACCOUNT_CLOSED: {
    type: 'AccountClosedError',
    description: 'The source or the destination is closed.',
    message: REFUSAL_MESSAGES.ACCOUNT_CLOSED,
    retryable: false,
    remedy: 'Use another account, or ask an operator, who can open it with `setAccountStatus`.',
  },
  SAME_ACCOUNT: {
    type: 'SameAccountError',
    description: 'Source and destination are one account.',
    message: REFUSAL_MESSAGES.SAME_ACCOUNT,
    retryable: false,
    remedy: 'Name two different accounts.',
  },
  ACCOUNT_NOT_EMPTY: {
    type: 'AccountNotEmptyError',
    description: 'The account holds money, so it cannot be closed.',
    message: 'The account holds money, so it cannot be closed. Move it to another account first.',
    retryable: false,
    remedy: 'Move `balance.amount` to another account, then close it.',
  },
  CURRENCY_NOT_FOUND: {
    type: 'CurrencyNotFoundError',
    description: 'There is no such currency.',
    message: 'There is no such currency. The query `currencies` lists all of them.',
    retryable: false,
    remedy: 'Look up the code with the query `currencies`, or make the currency with `createCurrency`.',
  },
  CURRENCY_EXISTS: {
    type: 'CurrencyExistsError',
    description: 'There is a currency with this code.',
    message: 'There is a currency with this code already. Use it, or another code.',
    retryable: false,
    remedy: 'Use the one in `currency`, or another code.',
  },
  CURRENCY_MISMATCH: {
    type: 'CurrencyMismatchError',
    description: 'The accounts have different currencies, or not the one that the input names.',
    message: REFUSAL_MESSAGES.CURRENCY_MISMATCH,
    retryable: false,
    remedy:
      'Name two accounts of one currency. To exchange money, make two transfers in one atomic `postTransactions`.',
  },
  BALANCE_LIMIT: {
    type: 'BalanceLimitError',
    description: 'A balance would exceed 2^63-1 minor units.',
    message: REFUSAL_MESSAGES.BALANCE_LIMIT,
    retryable: false,
    remedy: 'Post a smaller amount.',
  },
  EMAIL_TAKEN: {
    type: 'EmailTakenError',
    description: 'Another user has this e-mail address.',
    message: 'Another user has this e-mail address. Use another one.',
    retryable: false,
    remedy: 'Look up the user by the address, or use another address. All spellings of an address are the same.',
  },
  IDEMPOTENCY_CONFLICT: {
    type: 'IdempotencyConflictError',
    description: 'The key was already used with a different payload.',
    message: REFUSAL_MESSAGES.IDEMPOTENCY_CONFLICT,
    retryable: false,
    remedy: 'Repeat the first posting as it was, or make a new key. `differingFields` says what differs.',
  },
  OVERLOADED: {
    type: 'UnavailableError',
    description: 'Too many postings are waiting. Nothing was written; try again later.',
    message: UNAVAILABLE_MESSAGES.OVERLOADED,
    retryable: true,
    remedy: SEND_AGAIN,
  },
  RETRIES_EXHAUSTED: {
    type: 'UnavailableError',
    description: 'It could not be done in time. Nothing was written.',
    message: UNAVAILABLE_MESSAGES.RETRIES_EXHAUSTED,
    retryable: true,
    remedy: SEND_AGAIN,
  },
  INTERNAL_SERVER_ERROR: {
    description: 'A server error, for an operator to look into. Nothing was written.',
    varies: 'Says that nothing was posted. Only failed attempts have this code: the answer has it in `errors`.',
    retryable: false,
    remedy: 'Find the error in the log of the server. Then send the posting again.',
  },
  INVALID_CREDENTIALS: {
    type: 'InvalidCredentialsError',
    description: 'Wrong e-mail address or password.',
    message: 'Wrong e-mail address or password.',
    retryable: false,
    remedy: 'Ask the user for both again. `changePassword` answers it for a wrong current password.',
  },
  LAST_OPERATOR: {
    type: 'LastOperatorError',
    description: 'The user is the last operator who can sign in.',
    message: 'No other operator has a password, so nobody could run the ledger. Make another operator first.',
    retryable: false,
    remedy: 'Make one with `createUser`, or give one who has none a password with `setPassword`.',
  },
  TOO_MANY_ATTEMPTS: {
    type: 'TooManyAttemptsError',
    description: 'Too many attempts with a wrong password: see `retryAfterSeconds`.',
    message: 'Too many failed attempts. Try again after `retryAfterSeconds`.',
    retryable: true,
    remedy: 'Wait for `retryAfterSeconds`, then send the request again.',
  },
  API_TOKEN_NOT_FOUND: {
    type: 'ApiTokenNotFoundError',
    description: 'There is no such API token.',
    message: 'There is no such API token. The query `apiTokens` lists those that are not revoked.',
    retryable: false,
    remedy: 'Look up the id with the query `apiTokens`.',
  },
  FAILED_TRANSACTION_NOT_FOUND: {
    type: 'FailedTransactionNotFoundError',
    description: 'There is no such failed attempt.',
    message: 'There is no such failed attempt. The query `failedTransactions` lists all of them.',
    retryable: false,
    remedy: 'Look up the id with the query `failedTransactions`.',
  },
  OUTCOME_UNKNOWN: {
    type: 'UnavailableError',
    description: 'The answer to COMMIT was lost. Send the same request again to find out.',
    message: UNAVAILABLE_MESSAGES.OUTCOME_UNKNOWN,
    retryable: true,
    remedy: 'Send the same request again, with the same key if it has one. It is done once, whatever happened before.',
  },
} as const satisfies Record<string, ResultCodeRules> &
  Record<RefusalCode | FailureCode, unknown> &
  Record<UnavailableCode, ResultCodeRules & { retryable: true }>

export type ResultCode = keyof typeof RESULT_CODES

/** Codes of which every result has the same message. */
export type FixedResultCode = {
  [Code in ResultCode]: (typeof RESULT_CODES)[Code] extends Record<'message', unknown> ? Code : never
}[ResultCode]

/** The message of the catalogue. */
export function messageOf(rules: Message): string {
  return 'message' in rules ? rules.message : rules.varies
}
