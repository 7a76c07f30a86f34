import { errorTypeMap } from '@pothos/plugin-errors'
import { HashQueueFullError } from '../auth/passwords.ts'
import type { Viewer } from '../auth/viewer.ts'
import { ExpectedError } from '../ledger/model/expected-error.ts'
import type { Cents } from '../ledger/model/money.ts'
import { type PayloadField, REFUSAL_MESSAGES, type Refusal } from '../ledger/model/refusal.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import { encodeNodeId } from './ids.ts'
import { seesKey } from './rights.ts'
import { Transaction } from './transaction.ts'
import { ValidationError } from './validation-error.ts'

/*
 * What a mutation can answer instead of success. Each is a class that a resolver throws and a member of that
 * mutation's union; the ledger's refusals become these in `errorOf`.
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
  resolveType: (error) => errorTypeMap.get(error) as never,
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

export class InsufficientFundsError extends MutationError {
  readonly code = 'INSUFFICIENT_FUNDS'
  readonly available: Cents
  readonly required: Cents
  readonly shortfall: Cents
  constructor({ available, required, shortfall }: { available: Cents; required: Cents; shortfall: Cents }) {
    super(REFUSAL_MESSAGES.INSUFFICIENT_FUNDS)
    this.available = available
    this.required = required
    this.shortfall = shortfall
  }
}

export class UserNotFoundError extends MutationError {
  readonly code = 'USER_NOT_FOUND'
  readonly userId: string
  constructor(userId: string) {
    super(REFUSAL_MESSAGES.USER_NOT_FOUND)
    this.userId = userId
  }
}

export class SameUserError extends MutationError {
  readonly code = 'SAME_USER'
  constructor() {
    super(REFUSAL_MESSAGES.SAME_USER)
  }
}

export class BalanceLimitError extends MutationError {
  readonly code = 'BALANCE_LIMIT'
  constructor() {
    super(REFUSAL_MESSAGES.BALANCE_LIMIT)
  }
}

export class EmailTakenError extends MutationError {
  readonly code = 'EMAIL_TAKEN'
  constructor() {
    super('Another user has this e-mail address.')
  }
}

export class IdempotencyConflictError extends MutationError {
  readonly code = 'IDEMPOTENCY_CONFLICT'
  readonly differingFields: string[]
  readonly transaction: LedgerTransaction | null
  constructor(differingFields: string[], transaction: LedgerTransaction | null) {
    super(REFUSAL_MESSAGES.IDEMPOTENCY_CONFLICT)
    this.differingFields = differingFields
    this.transaction = transaction
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

builder.objectType(InsufficientFundsError, {
  name: 'InsufficientFundsError',
  description:
    'The source holds less than the amount. Nothing was written; after a deposit the same transfer may be sent again, with the same key.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    available: t.expose('available', { type: 'Cents', description: 'What the source held when it was judged.' }),
    required: t.expose('required', { type: 'Cents', description: 'The amount asked for.' }),
    shortfall: t.expose('shortfall', { type: 'Cents', description: '`required` less `available`.' }),
  }),
})

builder.objectType(UserNotFoundError, {
  name: 'UserNotFoundError',
  description: 'There is no such user. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    userId: t.id({ description: 'The id that was not found.', resolve: (error) => encodeNodeId('User', error.userId) }),
  }),
})

builder.objectType(SameUserError, {
  name: 'SameUserError',
  description: 'Source and destination are one account. Nothing was written.',
  interfaces: [ErrorInterface],
})

builder.objectType(BalanceLimitError, {
  name: 'BalanceLimitError',
  description: 'The balance of the destination would pass 2^63-1 cents. Nothing was written.',
  interfaces: [ErrorInterface],
})

builder.objectType(EmailTakenError, {
  name: 'EmailTakenError',
  description: 'Another user has this e-mail address, in this or another spelling.',
  interfaces: [ErrorInterface],
})

builder.objectType(IdempotencyConflictError, {
  name: 'IdempotencyConflictError',
  description:
    'The idempotency key was already used with a different payload. Nothing was written. Make a new key for a new payload.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    differingFields: t.exposeStringList('differingFields', {
      description:
        'The input fields that differ from the first posting; `kind` when one was a deposit and the other a transfer. Empty when somebody else used the key.',
    }),
    transaction: t.expose('transaction', {
      type: Transaction,
      nullable: true,
      description: 'The transaction that holds the key. Null when somebody else used the key.',
    }),
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

/** All that a posting can be answered with in place of success, once its input is valid. */
export const POSTING_ERRORS = [
  InsufficientFundsError,
  UserNotFoundError,
  SameUserError,
  BalanceLimitError,
  IdempotencyConflictError,
  UnavailableError,
] as const

/** The typed error of a ledger's refusal. `names` gives the input field for each part of the payload. */
export function errorOf(refusal: Refusal, names: Partial<Record<PayloadField, string>>, viewer: Viewer): MutationError {
  switch (refusal.code) {
    case 'IDEMPOTENCY_CONFLICT':
      if (!seesKey(viewer, refusal.transaction)) return new IdempotencyConflictError([], null)
      return new IdempotencyConflictError(
        refusal.differingFields.map((field) => names[field] ?? field),
        refusal.transaction,
      )
    case 'SAME_USER':
      return new SameUserError()
    case 'USER_NOT_FOUND':
      return new UserNotFoundError(refusal.userId)
    case 'INSUFFICIENT_FUNDS':
      return new InsufficientFundsError(refusal)
    case 'BALANCE_LIMIT':
      return new BalanceLimitError()
  }
}
