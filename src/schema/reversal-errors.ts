import type { Amount } from '../db/amount.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError } from './errors.ts'

export class TransactionNotFoundError extends MutationError {
  constructor() {
    super('TRANSACTION_NOT_FOUND')
  }
}

type NotReversible = 'IS_A_REVERSAL' | 'NOT_YOURS_TO_REVERSE'

export class NotReversibleError extends MutationError {
  readonly reason: NotReversible
  constructor(reason: NotReversible) {
    super('NOT_REVERSIBLE')
    this.reason = reason
  }
}

export class ReversalExceedsError extends MutationError {
  readonly remaining: Amount
  constructor(remaining: Amount) {
    super('REVERSAL_EXCEEDS')
    this.remaining = remaining
  }
}

builder.objectType(TransactionNotFoundError, {
  name: 'TransactionNotFoundError',
  description: 'There is no such transaction. Nothing was written.',
  interfaces: [ErrorInterface],
})

const NotReversibleReason = builder.enumType('NotReversibleReason', {
  description: 'Why a transaction cannot be reversed.',
  values: {
    IS_A_REVERSAL: { description: 'It is a reversal itself. Post the transaction again instead.' },
    NOT_YOURS_TO_REVERSE: {
      description:
        'Only whoever received a transfer and operators may reverse it. Deposits and withdrawals are reversed by operators.',
    },
  } as const,
})

builder.objectType(NotReversibleError, {
  name: 'NotReversibleError',
  description: 'The transaction cannot be reversed, or not by you. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ reason: t.expose('reason', { type: NotReversibleReason, description: 'Why not.' }) }),
})

builder.objectType(ReversalExceedsError, {
  name: 'ReversalExceedsError',
  description: 'All reversals together would take back more than the transaction moved. Nothing was written.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    remaining: t.expose('remaining', { type: 'Amount', description: 'How much can still be reversed.' }),
  }),
})
