import { holdsAccount, type Viewer } from '../auth/model/viewer.ts'
import { isWithOutsideWorld } from '../ledger/model/sides.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { transactionArgument } from './id-arguments.ts'
import { type PostingItem, post, successRef } from './posting.ts'
import {
  AccountClosedError,
  AccountFrozenError,
  BalanceLimitError,
  IdempotencyConflictError,
  InsufficientFundsError,
} from './posting-errors.ts'
import { ignoreFreezeField, isPositive, keyDescription } from './posting-inputs.ts'
import { NotReversibleError, ReversalExceedsError, TransactionNotFoundError } from './reversal-errors.ts'
import { seesTransaction } from './rights.ts'
import { ValidationError } from './validation-error.ts'
import { descriptionField, metadataField, metadataOf, repeatedKeys } from './words.ts'

export const ReverseTransactionInput = builder.inputType('ReverseTransactionInput', {
  description: 'A transaction that is taken back, whole or in part: a refund, or a correction.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    transactionId: t.field({
      ...transactionArgument,
      required: true,
      description: 'The transaction to reverse: one that is in the ledger, and no reversal.',
    }),
    amount: t.field({
      type: 'Amount',
      description: 'How much to take back: more than 0. Without it, the whole amount of the transaction.',
      validate: [isPositive],
    }),
    description: t.string(descriptionField),
    metadata: t.field(metadataField),
    ignoreFreeze: t.boolean(ignoreFreezeField),
  }),
})

const ReverseTransactionSuccess = successRef('ReverseTransactionSuccess', 'The reversal is in the ledger, for good.')

/**
 * The posting that takes a transaction back: the same accounts, the other way round.
 *
 * @param original undefined: there is none.
 * @returns the posting, or why the viewer may not make it.
 */
export function reversalOf(
  input: typeof ReverseTransactionInput.$inferInput,
  original: LedgerTransaction | undefined,
  viewer: Viewer,
): PostingItem | TransactionNotFoundError | NotReversibleError {
  if (!original || !seesTransaction(viewer, original)) return new TransactionNotFoundError()
  if (original.reversesId !== null) return new NotReversibleError('IS_A_REVERSAL')
  const { sourceAccountId: destinationAccountId, destinationAccountId: sourceAccountId } = original
  // Of a deposit or a withdrawal, there is one account.
  const accountId = sourceAccountId ?? destinationAccountId
  const isTheirs =
    accountId !== null &&
    holdsAccount(viewer, accountId) &&
    (!isWithOutsideWorld(original) || viewer.role === 'OPERATOR')
  if (!isTheirs) return new NotReversibleError('NOT_YOURS_TO_REVERSE')
  return {
    request: {
      idempotencyKey: input.idempotencyKey,
      sourceAccountId,
      destinationAccountId,
      amount: input.amount ?? original.amount,
      reverses: original,
      description: input.description,
      metadata: metadataOf(input.metadata),
      ignoreFreeze: input.ignoreFreeze ?? false,
    },
    accountId,
    names: { sourceAccountId: 'transactionId', destinationAccountId: 'transactionId' },
    repeatedKeys: repeatedKeys(input.metadata),
  }
}

async function reverse(input: typeof ReverseTransactionInput.$inferInput, context: Context) {
  const original = await context.loaders.transactions.load(input.transactionId)
  const item = reversalOf(input, original, context.viewer)
  if (item instanceof Error) throw item
  return post(item, context)
}

builder.mutationField('reverseTransaction', (t) =>
  t.field({
    type: ReverseTransactionSuccess,
    nullable: true,
    description:
      'Takes a transaction back, whole or in part, with a link to it. For whoever received a transfer (a refund), and for operators. All reversals of a transaction together never exceed its amount.',
    args: { input: t.arg({ type: ReverseTransactionInput, required: true, description: 'The reversal.' }) },
    errors: {
      types: [
        ValidationError,
        TransactionNotFoundError,
        NotReversibleError,
        ReversalExceedsError,
        AccountClosedError,
        AccountFrozenError,
        InsufficientFundsError,
        BalanceLimitError,
        IdempotencyConflictError,
        UnavailableError,
      ],
      union: { description: 'The reversal, or why it was not posted.' },
    },
    resolve: (_root, { input }, context) => reverse(input, context),
  }),
)
