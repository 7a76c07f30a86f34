import { holdsAccount } from '../auth/model/viewer.ts'
import type { AccountId } from '../db/ids.ts'
import { type LedgerEntry as Entry, entriesOf } from '../ledger/model/entry.ts'
import type { Posted, PostingRequest } from '../ledger/model/posting.ts'
import { accountsOf } from '../ledger/model/sides.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { LedgerEntry, loadEntry } from './ledger-entry.ts'
import {
  AccountClosedError,
  AccountFrozenError,
  AccountNotFoundError,
  BalanceLimitError,
  CurrencyMismatchError,
  errorOf,
  IdempotencyConflictError,
  InsufficientFundsError,
  type PayloadNames,
  TRANSFER_ERRORS,
} from './posting-errors.ts'
import { DepositInput, TransferInput, WithdrawInput } from './posting-inputs.ts'
import { scopesOf } from './rights.ts'
import { Transaction } from './transaction.ts'
import { type InvalidField, ValidationError } from './validation-error.ts'
import { metadataOf, repeatedKeys } from './words.ts'

/** `accountId`: whose entry is the caller's own. */
export interface Success {
  posted: Posted
  accountId: AccountId
}

const PostingSuccess = builder.interfaceRef<Success>('PostingSuccess').implement({
  description: 'The posting is in the ledger, for good.',
  fields: (t) => ({
    transaction: t.field({
      type: Transaction,
      description: 'The transaction that holds the key.',
      resolve: ({ posted }) => posted.transaction,
    }),
    entry: t.field({
      type: LedgerEntry,
      nullable: true,
      description:
        'Its entry in the account that paid, or, for a deposit, in the account that was paid. Clients can put it on top of the page that they show.',
      resolve: ownEntry,
    }),
    replayed: t.boolean({
      description: 'True when it had been posted by an earlier request with this key; nothing moved this time.',
      resolve: ({ posted }) => posted.replayed,
    }),
  }),
})

export const successRef = (name: `${string}Success`, description: string) =>
  builder.objectRef<Success>(name).implement({ description, interfaces: [PostingSuccess] })

const DepositSuccess = successRef('DepositSuccess', 'The deposit is in the ledger, for good.')
const WithdrawSuccess = successRef('WithdrawSuccess', 'The withdrawal is in the ledger, for good.')
const TransferSuccess = successRef('TransferSuccess', 'The transfer is in the ledger, for good.')

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
  /** What is wrong with its metadata, by the names of the fields. */
  repeatedKeys: readonly InvalidField[]
}

export function depositOf(input: typeof DepositInput.$inferInput): PostingItem {
  const { idempotencyKey, accountId, amount, currency } = input
  return {
    request: {
      idempotencyKey,
      sourceAccountId: null,
      destinationAccountId: accountId,
      amount,
      currency,
      description: input.description,
      metadata: metadataOf(input.metadata),
    },
    accountId,
    names: { destinationAccountId: 'accountId' },
    repeatedKeys: repeatedKeys(input.metadata),
  }
}

export function withdrawalOf(input: typeof WithdrawInput.$inferInput): PostingItem {
  const { idempotencyKey, accountId, amount, currency, ignoreFreeze } = input
  return {
    request: {
      idempotencyKey,
      sourceAccountId: accountId,
      destinationAccountId: null,
      amount,
      currency,
      description: input.description,
      metadata: metadataOf(input.metadata),
      ignoreFreeze: ignoreFreeze ?? false,
    },
    accountId,
    names: { sourceAccountId: 'accountId' },
    repeatedKeys: repeatedKeys(input.metadata),
  }
}

export function transferOf(input: typeof TransferInput.$inferInput): PostingItem {
  const { idempotencyKey, sourceAccountId, destinationAccountId, amount, currency, ignoreFreeze } = input
  return {
    request: {
      idempotencyKey,
      sourceAccountId,
      destinationAccountId,
      amount,
      currency,
      description: input.description,
      metadata: metadataOf(input.metadata),
      ignoreFreeze: ignoreFreeze ?? false,
    },
    accountId: sourceAccountId,
    names: {},
    repeatedKeys: repeatedKeys(input.metadata),
  }
}

/** What of a posting breaks a rule or is not for the viewer, by the name of its field. */
export function invalidFields({ request, repeatedKeys }: PostingItem, context: Context): readonly InvalidField[] {
  const isForbidden = request.ignoreFreeze && !scopesOf(context).operator
  return isForbidden
    ? [...repeatedKeys, { path: 'ignoreFreeze', message: 'is for operators; a token for some accounts cannot use it' }]
    : repeatedKeys
}

/**
 * Makes the currencies of what was posted known to the operation. A statement for them, sent after the commit, could fail, and
 * take the answer with it: `Transaction.currency` is never null.
 */
export async function noteCurrencies(posted: readonly Posted[], { ledger, loaders }: Context): Promise<void> {
  for (const { transaction, currency: code } of posted) {
    const currency = code === undefined ? undefined : await ledger.currencies.find(code).catch(() => undefined)
    if (currency) for (const accountId of accountsOf(transaction)) loaders.currencies.set(accountId, currency)
  }
}

export async function post(item: PostingItem, context: Context): Promise<Success> {
  const { request, accountId, names } = item
  const { ledger, viewer } = context
  const invalid = invalidFields(item, context)
  if (invalid.length > 0)
    throw new ValidationError(invalid.map(({ path, message }) => ({ path: ['input', path], message })))
  // For the viewer, somebody else's account does not exist. The ledger is not asked.
  if (!holdsAccount(viewer, accountId)) throw new AccountNotFoundError(accountId)
  const outcome = await ledger.posting.post(request, viewer.key)
  if ('refusal' in outcome) throw errorOf(outcome.refusal, names, viewer)
  await noteCurrencies([outcome.posted], context)
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
      types: [
        ValidationError,
        AccountNotFoundError,
        AccountClosedError,
        CurrencyMismatchError,
        BalanceLimitError,
        IdempotencyConflictError,
        UnavailableError,
      ],
      union: { description: 'The deposit, or why it was not posted.' },
    },
    resolve: (_root, { input }, context) => post(depositOf(input), context),
  }),
  withdraw: t.field({
    type: WithdrawSuccess,
    nullable: true,
    authScopes: { depositor: true },
    description:
      'Takes money out of an account to the world outside, if it holds enough: it records a payout that is made elsewhere. For operators.',
    args: { input: t.arg({ type: WithdrawInput, required: true, description: 'The withdrawal.' }) },
    errors: {
      types: [
        ValidationError,
        AccountNotFoundError,
        AccountClosedError,
        AccountFrozenError,
        CurrencyMismatchError,
        InsufficientFundsError,
        IdempotencyConflictError,
        UnavailableError,
      ],
      union: { description: 'The withdrawal, or why it was not posted.' },
    },
    resolve: (_root, { input }, context) => post(withdrawalOf(input), context),
  }),
  transfer: t.field({
    type: TransferSuccess,
    nullable: true,
    description: 'Moves money from your account to another, if it holds enough. An operator moves it from any account.',
    args: { input: t.arg({ type: TransferInput, required: true, description: 'The transfer.' }) },
    errors: {
      types: [ValidationError, ...TRANSFER_ERRORS],
      union: { description: 'The transfer, or why it was not posted.' },
    },
    resolve: (_root, { input }, context) => post(transferOf(input), context),
  }),
}))
