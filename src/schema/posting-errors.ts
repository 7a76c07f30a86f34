import type { Viewer } from '../auth/model/viewer.ts'
import type { Amount } from '../db/amount.ts'
import type { PayloadField, Refusal } from '../ledger/model/refusal.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError } from './errors.ts'
import { encodeNodeId } from './ids.ts'
import { seesKey } from './rights.ts'
import { Transaction } from './transaction.ts'

/* The typed errors of refused postings. */

class InsufficientFundsError extends MutationError {
  readonly available: Amount
  readonly required: Amount
  readonly shortfall: Amount
  constructor({ available, required, shortfall }: { available: Amount; required: Amount; shortfall: Amount }) {
    super('INSUFFICIENT_FUNDS')
    this.available = available
    this.required = required
    this.shortfall = shortfall
  }
}

export class UserNotFoundError extends MutationError {
  readonly userId: string
  constructor(userId: string) {
    super('USER_NOT_FOUND')
    this.userId = userId
  }
}

class SameUserError extends MutationError {
  constructor() {
    super('SAME_ACCOUNT')
  }
}

export class BalanceLimitError extends MutationError {
  constructor() {
    super('BALANCE_LIMIT')
  }
}

export class IdempotencyConflictError extends MutationError {
  readonly differingFields: string[]
  readonly transaction: LedgerTransaction | null
  constructor(differingFields: string[], transaction: LedgerTransaction | null) {
    super('IDEMPOTENCY_CONFLICT')
    this.differingFields = differingFields
    this.transaction = transaction
  }
}

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

/** Every error that a posting with valid input can be answered with. */
export const POSTING_ERRORS = [
  InsufficientFundsError,
  UserNotFoundError,
  SameUserError,
  BalanceLimitError,
  IdempotencyConflictError,
  UnavailableError,
] as const

/** The name of the input field for each part of the payload; a part that is missing has the name of its field. */
export type PayloadNames = Readonly<Partial<Record<PayloadField, string>>>

/** The typed error for a refusal. */
export function errorOf(refusal: Refusal, names: PayloadNames, viewer: Viewer): MutationError {
  switch (refusal.code) {
    case 'IDEMPOTENCY_CONFLICT':
      if (!seesKey(viewer, refusal.transaction)) return new IdempotencyConflictError([], null)
      return new IdempotencyConflictError(
        refusal.differingFields.map((field) => names[field] ?? field),
        refusal.transaction,
      )
    case 'SAME_ACCOUNT':
      return new SameUserError()
    case 'ACCOUNT_CLOSED':
    case 'ACCOUNT_FROZEN':
    case 'CURRENCY_MISMATCH':
      throw new TypeError(`no type for ${refusal.code} yet`)
    case 'ACCOUNT_NOT_FOUND':
      return new UserNotFoundError(refusal.accountId)
    case 'INSUFFICIENT_FUNDS':
      return new InsufficientFundsError(refusal)
    case 'BALANCE_LIMIT':
      return new BalanceLimitError()
  }
}
