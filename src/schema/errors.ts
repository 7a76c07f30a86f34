import { errorTypeMap } from '@pothos/plugin-errors'
import { HashQueueFullError } from '../auth/model/sign-in-errors.ts'
import { ExpectedError } from '../ledger/model/expected-error.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import { encodeNodeId } from './ids.ts'
import { type FixedResultCode, messageOf, RESULT_CODES, type ResultCode } from './result-codes.ts'
import { ValidationError } from './validation-error.ts'

/*
 * What a mutation can answer instead of success. Each is a class that a resolver throws and a member of that
 * mutation's union. The refusals of a posting are in posting-errors.ts.
 */

export const ErrorCode = builder.enumType('ErrorCode', {
  description: 'What went wrong, for programs to decide by.',
  values: RESULT_CODES,
})

interface ErrorShape {
  code: ResultCode
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

/** @param message if it is not the one of the code. */
export abstract class MutationError extends ExpectedError implements ErrorShape {
  readonly code: ResultCode
  readonly retryable: boolean
  constructor(code: FixedResultCode, message?: string)
  constructor(code: ResultCode, message: string)
  constructor(code: ResultCode, message = messageOf(RESULT_CODES[code])) {
    super(message)
    this.code = code
    this.retryable = RESULT_CODES[code].retryable
  }
}

export class EmailTakenError extends MutationError {
  constructor() {
    super('EMAIL_TAKEN')
  }
}

export class UserNotFoundError extends MutationError {
  readonly userId: string
  constructor(userId: string) {
    super('USER_NOT_FOUND')
    this.userId = userId
  }
}

export class FailedTransactionNotFoundError extends MutationError {
  constructor() {
    super('FAILED_TRANSACTION_NOT_FOUND')
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

builder.objectType(UserNotFoundError, {
  name: 'UserNotFoundError',
  description: 'There is no such user. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    userId: t.id({ description: 'The id that was not found.', resolve: (error) => encodeNodeId('User', error.userId) }),
  }),
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
