import { errorTypeMap } from '@pothos/plugin-errors'
import { HashQueueFullError } from '../auth/model/sign-in-errors.ts'
import { ExpectedError } from '../ledger/model/expected-error.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import { ValidationError } from './validation-error.ts'

/*
 * What a mutation can answer instead of success. Each is a class that a resolver throws and a member of that
 * mutation's union. The refusals of a posting are in posting-errors.ts.
 */

export const ErrorCode = builder.enumType('ErrorCode', {
  description: 'What went wrong, for programs to decide by.',
  values: {
    VALIDATION: { description: 'The input breaks a rule: see `fields`.' },
    INSUFFICIENT_FUNDS: { description: 'The source holds less than the amount.' },
    USER_NOT_FOUND: { description: 'There is no such user.' },
    SAME_USER: { description: 'Source and destination are one account.' },
    BALANCE_LIMIT: { description: 'A balance would pass 2^63-1 cents.' },
    EMAIL_TAKEN: { description: 'Another user has this e-mail address.' },
    IDEMPOTENCY_CONFLICT: { description: 'The key was already used with a different payload.' },
    OVERLOADED: { description: 'Too many postings are waiting. Nothing was written; try again later.' },
    RETRIES_EXHAUSTED: { description: 'It could not be done in time. Nothing was written.' },
    INTERNAL_SERVER_ERROR: { description: 'A server error, for an operator to look into. Nothing was written.' },
    INVALID_CREDENTIALS: { description: 'Wrong e-mail address or password.' },
    TOO_MANY_ATTEMPTS: { description: 'There were too many attempts to sign in: see `retryAfterSeconds`.' },
    API_TOKEN_NOT_FOUND: { description: 'There is no such API token.' },
    FAILED_TRANSACTION_NOT_FOUND: { description: 'There is no such failed attempt.' },
    OUTCOME_UNKNOWN: { description: 'The answer to COMMIT was lost. Send it again with the same key to find out.' },
  } as const,
})
type Code = typeof ErrorCode.$inferType

interface ErrorShape {
  code: Code
  message: string
  retryable: boolean
}

export const ErrorInterface = builder.interfaceRef<ErrorShape>('Error').implement({
  description: 'Why a mutation was not carried out.',
  // Of an error that is the value of a field: those of a union are resolved by it.
  resolveType: (error) => errorTypeMap.get(error)?.name,
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, description: 'For programs.' }),
    message: t.exposeString('message', { description: 'For people. It never repeats what was sent.' }),
    retryable: t.exposeBoolean('retryable', {
      description: 'Whether the same request may succeed when it is sent again unchanged.',
    }),
  }),
})

export abstract class MutationError extends ExpectedError implements ErrorShape {
  abstract readonly code: Code
  readonly retryable: boolean = false
}

export class EmailTakenError extends MutationError {
  readonly code = 'EMAIL_TAKEN'
  constructor() {
    super('Another user has this e-mail address.')
  }
}

export class FailedTransactionNotFoundError extends MutationError {
  readonly code = 'FAILED_TRANSACTION_NOT_FOUND'
  constructor() {
    super('There is no such failed attempt.')
  }
}

const InputIssue = builder.objectRef<{ path: string; message: string }>('InputIssue').implement({
  description: 'One thing wrong with the input.',
  fields: (t) => ({
    path: t.exposeString('path', { description: 'Where, as in `input.amount`.' }),
    message: t.exposeString('message', { description: 'Why. It never repeats the value.' }),
  }),
})

builder.objectType(ValidationError, {
  name: 'ValidationError',
  description: 'The input breaks a rule. Up to 50 wrong fields are listed at once; nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    fields: t.expose('fields', { type: [InputIssue], description: 'Each field that is wrong.' }),
  }),
})

builder.objectType(EmailTakenError, {
  name: 'EmailTakenError',
  description: 'Another user has this e-mail address, in this or another spelling.',
  interfaces: [ErrorInterface],
})

builder.objectType(FailedTransactionNotFoundError, {
  name: 'FailedTransactionNotFoundError',
  description: 'There is no such failed attempt.',
  interfaces: [ErrorInterface],
})

builder.objectType(UnavailableError, {
  name: 'UnavailableError',
  description: 'The ledger could not answer. Sending the same request with the same key again is always safe.',
  interfaces: [ErrorInterface],
})

/** Says for clients that the server is busy with passwords. */
export function passwordError(error: unknown): unknown {
  return error instanceof HashQueueFullError ? new UnavailableError('OVERLOADED') : error
}
