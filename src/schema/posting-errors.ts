import type { Viewer } from '../auth/model/viewer.ts'
import type { Amount } from '../db/amount.ts'
import type { AccountId } from '../db/ids.ts'
import type { PayloadField, Refusal } from '../ledger/model/refusal.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError } from './errors.ts'
import { encodeNodeId } from './ids.ts'
import { NotReversibleError, ReversalExceedsError, TransactionNotFoundError } from './reversal-errors.ts'
import { seesKey } from './rights.ts'
import { Transaction } from './transaction.ts'

/* The typed errors of refused postings. */

export class AccountNotFoundError extends MutationError {
  readonly accountId: AccountId
  constructor(accountId: AccountId) {
    super('ACCOUNT_NOT_FOUND')
    this.accountId = accountId
  }
}

export class AccountFrozenError extends MutationError {
  readonly account: { id: AccountId }
  constructor(accountId: AccountId) {
    super('ACCOUNT_FROZEN')
    this.account = { id: accountId }
  }
}

export class AccountClosedError extends MutationError {
  readonly account: { id: AccountId }
  constructor(accountId: AccountId) {
    super('ACCOUNT_CLOSED')
    this.account = { id: accountId }
  }
}

class SameAccountError extends MutationError {
  constructor() {
    super('SAME_ACCOUNT')
  }
}

export class CurrencyMismatchError extends MutationError {
  constructor() {
    super('CURRENCY_MISMATCH')
  }
}

export class InsufficientFundsError extends MutationError {
  readonly account: { id: AccountId }
  readonly available: Amount
  readonly required: Amount
  readonly shortfall: Amount
  constructor({ accountId, available, required, shortfall }: Extract<Refusal, { shortfall: Amount }>) {
    super('INSUFFICIENT_FUNDS')
    this.account = { id: accountId }
    this.available = available
    this.required = required
    this.shortfall = shortfall
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

builder.objectType(AccountNotFoundError, {
  name: 'AccountNotFoundError',
  description: 'There is no such account. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    accountId: t.id({
      description: 'The id that was not found.',
      resolve: ({ accountId }) => encodeNodeId('Account', accountId),
    }),
  }),
})

builder.objectType(AccountFrozenError, {
  name: 'AccountFrozenError',
  description: 'The source is frozen, so nothing goes out of it. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    account: t.expose('account', { type: Account, nullable: true, description: 'The account that is frozen.' }),
  }),
})

builder.objectType(AccountClosedError, {
  name: 'AccountClosedError',
  description: 'The source or the destination is closed. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    account: t.expose('account', { type: Account, nullable: true, description: 'The account that is closed.' }),
  }),
})

builder.objectType(SameAccountError, {
  name: 'SameAccountError',
  description: 'Source and destination are one account. Nothing was written.',
  interfaces: [ErrorInterface],
})

builder.objectType(CurrencyMismatchError, {
  name: 'CurrencyMismatchError',
  description:
    'The two accounts have different currencies, or not the one that the input names. Nothing was written. To exchange money, make two transfers in one atomic `postTransactions`.',
  interfaces: [ErrorInterface],
})

builder.objectType(InsufficientFundsError, {
  name: 'InsufficientFundsError',
  description:
    'The source holds less than the amount. Nothing was written. Once it holds enough, the same posting may be sent again with the same key.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    account: t.expose('account', { type: Account, nullable: true, description: 'The source.' }),
    available: t.expose('available', { type: 'Amount', description: 'What the source held when it was judged.' }),
    required: t.expose('required', { type: 'Amount', description: 'The amount asked for.' }),
    shortfall: t.expose('shortfall', { type: 'Amount', description: '`required` less `available`.' }),
  }),
})

builder.objectType(BalanceLimitError, {
  name: 'BalanceLimitError',
  description: 'The balance of the destination would exceed 2^63-1 minor units. Nothing was written.',
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
        'The input fields that differ from the first request, such as `amount` or `metadata.order`; `kind` when it was another kind of posting, and `transactionId` when only one was a reversal. Empty when somebody else used the key.',
    }),
    transaction: t.expose('transaction', {
      type: Transaction,
      nullable: true,
      description: 'The transaction that holds the key. Null when somebody else used the key, and for `createAccount`.',
    }),
  }),
})

/** Every error that a transfer with valid input can be answered with. */
export const TRANSFER_ERRORS = [
  AccountNotFoundError,
  AccountClosedError,
  AccountFrozenError,
  SameAccountError,
  CurrencyMismatchError,
  InsufficientFundsError,
  BalanceLimitError,
  IdempotencyConflictError,
  UnavailableError,
] as const

/** The same of any posting. */
export const POSTING_ERRORS = [
  ...TRANSFER_ERRORS,
  TransactionNotFoundError,
  NotReversibleError,
  ReversalExceedsError,
] as const

/** The name of the input field for each part of the payload; a part that is missing has the name of its field. */
export type PayloadNames = Readonly<Partial<Record<PayloadField, string>>>

/** What the fields are called whatever the input: a posting that takes nothing back has no field for it. */
const COMMON_NAMES: PayloadNames = { reverses: 'transactionId' }

/** The typed error for a refusal. */
export function errorOf(refusal: Refusal, names: PayloadNames, viewer: Viewer): MutationError {
  switch (refusal.code) {
    case 'IDEMPOTENCY_CONFLICT':
      if (!seesKey(viewer, refusal.transaction)) return new IdempotencyConflictError([], null)
      // Several parts of a reversal come from one field.
      return new IdempotencyConflictError(
        [...new Set(refusal.differingFields.map((field) => names[field] ?? COMMON_NAMES[field] ?? field))],
        refusal.transaction,
      )
    case 'SAME_ACCOUNT':
      return new SameAccountError()
    case 'ACCOUNT_NOT_FOUND':
      return new AccountNotFoundError(refusal.accountId)
    case 'ACCOUNT_CLOSED':
      return new AccountClosedError(refusal.accountId)
    case 'ACCOUNT_FROZEN':
      return new AccountFrozenError(refusal.accountId)
    case 'CURRENCY_MISMATCH':
      return new CurrencyMismatchError()
    case 'REVERSAL_EXCEEDS':
      return new ReversalExceedsError(refusal.remaining)
    case 'INSUFFICIENT_FUNDS':
      return new InsufficientFundsError(refusal)
    case 'BALANCE_LIMIT':
      return new BalanceLimitError()
  }
}
