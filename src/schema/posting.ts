import { holdsAccount } from '../auth/model/viewer.ts'
import type { Amount } from '../db/amount.ts'
import type { AccountId } from '../db/ids.ts'
import { type LedgerEntry as Entry, entriesOf } from '../ledger/model/entry.ts'
import type { Posted, PostingRequest } from '../ledger/model/posting.ts'
import { accountsOf } from '../ledger/model/sides.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { currencyAssertion } from './currency.ts'
import { accountArgument } from './id-arguments.ts'
import { LedgerEntry, loadEntry } from './ledger-entry.ts'
import {
  AccountClosedError,
  AccountNotFoundError,
  BalanceLimitError,
  CurrencyMismatchError,
  errorOf,
  IdempotencyConflictError,
  type PayloadNames,
  POSTING_ERRORS,
} from './posting-errors.ts'
import { scopesOf } from './rights.ts'
import { Transaction } from './transaction.ts'
import { type InvalidField, ValidationError } from './validation-error.ts'

const isPositive: [(amount: Amount) => boolean, { message: string }] = [
  (amount) => amount > 0n,
  { message: 'must be more than 0' },
]

const amountField = {
  type: 'Amount' as const,
  required: true as const,
  description: 'How much: more than 0.',
  validate: [isPositive],
}

const keyDescription =
  'A UUID that you make for each posting and keep when you send it again: a repeat answers with the first transaction and moves nothing.'

export const DepositInput = builder.inputType('DepositInput', {
  description: 'Money that comes in from the world outside.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    accountId: t.field({ ...accountArgument, required: true, description: 'The account that is paid.' }),
    amount: t.field(amountField),
    currency: t.string(currencyAssertion),
  }),
})

export const TransferInput = builder.inputType('TransferInput', {
  description: 'Money that moves from one account to another.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    sourceAccountId: t.field({ ...accountArgument, required: true, description: 'The account that pays.' }),
    destinationAccountId: t.field({
      ...accountArgument,
      required: true,
      description: 'The account that is paid: another one, in the same currency.',
    }),
    amount: t.field(amountField),
    currency: t.string(currencyAssertion),
    ignoreFreeze: t.boolean({
      defaultValue: false,
      description:
        'Takes the money out of the source although it is frozen. For operators, not for a token for some accounts.',
    }),
  }),
})

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
        'Its entry in the account that pays, or of a deposit in the account that is paid. Put it on top of the page that is shown.',
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
}

export function depositOf(input: typeof DepositInput.$inferInput): PostingItem {
  const { idempotencyKey, accountId, amount, currency } = input
  return {
    request: { idempotencyKey, sourceAccountId: null, destinationAccountId: accountId, amount, currency },
    accountId,
    names: { destinationAccountId: 'accountId' },
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
      ignoreFreeze: ignoreFreeze ?? false,
    },
    accountId: sourceAccountId,
    names: {},
  }
}

/** What of a posting is not for the viewer, by the name of its field. */
export function forbiddenFields({ request }: PostingItem, context: Context): InvalidField[] {
  if (!request.ignoreFreeze || scopesOf(context).operator) return []
  return [{ path: 'ignoreFreeze', message: 'is for operators' }]
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

async function post(item: PostingItem, context: Context): Promise<Success> {
  const { request, accountId, names } = item
  const { ledger, viewer } = context
  const forbidden = forbiddenFields(item, context)
  if (forbidden.length > 0)
    throw new ValidationError(forbidden.map(({ path, message }) => ({ path: ['input', path], message })))
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
