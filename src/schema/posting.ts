import { holdsAccount } from '../auth/model/viewer.ts'
import type { Amount } from '../db/amount.ts'
import type { AccountId } from '../db/ids.ts'
import { type LedgerEntry as Entry, entriesOf } from '../ledger/model/entry.ts'
import type { Posted, PostingRequest } from '../ledger/model/posting.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { accountArgument } from './id-arguments.ts'
import { LedgerEntry, loadEntry } from './ledger-entry.ts'
import {
  BalanceLimitError,
  errorOf,
  IdempotencyConflictError,
  type PayloadNames,
  POSTING_ERRORS,
  UserNotFoundError,
} from './posting-errors.ts'
import { Transaction } from './transaction.ts'
import { ValidationError } from './validation-error.ts'

const isPositive: [(amount: Amount) => boolean, { message: string }] = [
  (amount) => amount > 0n,
  { message: 'must be more than 0' },
]

const keyDescription =
  'A UUID that you make for each posting and keep when you send it again: a repeat answers with the first transaction and moves nothing.'

export const DepositInput = builder.inputType('DepositInput', {
  description: 'Money that comes in from the world outside.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    userId: t.field({ ...accountArgument, required: true, description: 'Who is paid.' }),
    amount: t.field({
      type: 'Cents',
      required: true,
      description: 'How much: more than 0.',
      validate: [isPositive],
    }),
  }),
})

export const TransferInput = builder.inputType('TransferInput', {
  description: 'Money that moves from one account to another.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    sourceUserId: t.field({ ...accountArgument, required: true, description: 'Who pays.' }),
    destinationUserId: t.field({ ...accountArgument, required: true, description: 'Who is paid: somebody else.' }),
    amount: t.field({
      type: 'Cents',
      required: true,
      description: 'How much: more than 0.',
      validate: [isPositive],
    }),
  }),
})

/** `accountId`: whose entry is the caller's own. */
export interface Success {
  posted: Posted
  accountId: AccountId
}

/** @param whose whose entry is given: the caller's own. */
export const successRef = (name: `${string}Success`, whose: string, description: string) =>
  builder.objectRef<Success>(name).implement({
    description,
    fields: (t) => ({
      transaction: t.field({
        type: Transaction,
        description: 'The transaction that holds the key.',
        resolve: ({ posted }) => posted.transaction,
      }),
      entry: t.field({
        type: LedgerEntry,
        nullable: true,
        description: `Its entry in the account of ${whose}, to put on top of the page that is shown.`,
        resolve: ownEntry,
      }),
      replayed: t.boolean({
        description: 'True when it had been posted by an earlier request with this key; nothing moved this time.',
        resolve: ({ posted }) => posted.replayed,
      }),
    }),
  })

const DepositSuccess = successRef('DepositSuccess', 'who was paid', 'The deposit is in the ledger, for good.')
const TransferSuccess = successRef('TransferSuccess', 'who pays', 'The transfer is in the ledger, for good.')

async function ownEntry({ posted, accountId }: Success, _args: unknown, context: Context): Promise<Entry | null> {
  const { transaction, balancesAfter } = posted
  if (balancesAfter) {
    return entriesOf({ ...posted, balancesAfter }).find((entry) => entry.accountId === accountId) ?? null
  }
  const { sourceAccountId, sourceSequence, destinationSequence } = transaction
  const sequence = accountId === sourceAccountId ? sourceSequence : destinationSequence
  return sequence === null ? null : loadEntry(accountId, sequence, context)
}

/** What an input asks for: the posting, whose it is, and what the input's fields are called. */
export interface PostingItem {
  request: PostingRequest
  accountId: AccountId
  names: PayloadNames
}

export function depositOf({ idempotencyKey, userId, amount }: typeof DepositInput.$inferInput): PostingItem {
  return {
    request: { idempotencyKey, sourceAccountId: null, destinationAccountId: userId, amount },
    accountId: userId,
    names: { destinationAccountId: 'userId' },
  }
}

export function transferOf(input: typeof TransferInput.$inferInput): PostingItem {
  const { idempotencyKey, sourceUserId, destinationUserId, amount } = input
  return {
    request: { idempotencyKey, sourceAccountId: sourceUserId, destinationAccountId: destinationUserId, amount },
    accountId: sourceUserId,
    names: { sourceAccountId: 'sourceUserId', destinationAccountId: 'destinationUserId' },
  }
}

async function post({ request, accountId, names }: PostingItem, { ledger, viewer }: Context): Promise<Success> {
  // For the viewer, somebody else's account does not exist. The ledger is not asked.
  if (!holdsAccount(viewer, accountId)) throw new UserNotFoundError(accountId)
  const outcome = await ledger.posting.post(request, viewer.key)
  if ('refusal' in outcome) throw errorOf(outcome.refusal, names, viewer)
  return { posted: outcome.posted, accountId }
}

builder.mutationFields((t) => ({
  deposit: t.field({
    type: DepositSuccess,
    nullable: true,
    authScopes: { depositor: true },
    description: 'Brings money into an account from the world outside. For operators.',
    args: { input: t.arg({ type: DepositInput, required: true, description: 'The deposit.' }) },
    errors: {
      types: [ValidationError, UserNotFoundError, BalanceLimitError, IdempotencyConflictError, UnavailableError],
      union: { description: 'The deposit, or why it was not posted.' },
    },
    resolve: (_root, { input }, context) => post(depositOf(input), context),
  }),
  transfer: t.field({
    type: TransferSuccess,
    nullable: true,
    description: 'Moves money from your account to another, if it holds enough. An operator moves it from any account.',
    args: { input: t.arg({ type: TransferInput, required: true, description: 'The transfer.' }) },
    errors: {
      types: [ValidationError, ...POSTING_ERRORS],
      union: { description: 'The transfer, or why it was not posted.' },
    },
    resolve: (_root, { input }, context) => post(transferOf(input), context),
  }),
}))
