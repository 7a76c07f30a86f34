import type { GraphQLError } from 'graphql'
import { holdsAccount } from '../auth/model/viewer.ts'
import { type AccountId, toAccountId } from '../db/ids.ts'
import type { Currency as CurrencyRecord } from '../ledger/model/account.ts'
import { ENTRY_CURSOR } from '../ledger/model/cursor.ts'
import { directionOf, type LedgerEntry as Entry } from '../ledger/model/entry.ts'
import { accountsOf } from '../ledger/model/sides.ts'
import { Account, currencyOf } from './account.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfFormatted, formatArguments, formatted } from './formatted.ts'
import { accountArgument } from './id-arguments.ts'
import { readCursor } from './pages.ts'
import { REQUEST_CODES } from './request-codes.ts'
import { requestError } from './request-error.ts'
import { resumable } from './resumable.ts'
import { Transaction } from './transaction.ts'
import { invalidArgument } from './validation-error.ts'

export const EntryDirection = builder.enumType('EntryDirection', {
  description: 'Which way the money went, seen from the account.',
  values: {
    CREDIT: { description: 'Into the account.' },
    DEBIT: { description: 'Out of the account.' },
  } as const,
})

export const LedgerEntry = builder.objectRef<Entry>('LedgerEntry')

builder.node(LedgerEntry, {
  description:
    'One side of a transaction: the edge between an account and a transaction. The page of an account, the subscription and the answer to a posting all give this same thing, so a client puts a new one straight on top of the page it shows.',
  id: {
    resolve: ({ accountId, sequence }) => `${accountId}_${sequence}`,
    description: 'Stable and readable: `entry_<uuid of the account>_<sequence>`.',
  },
  loadManyWithoutCache: (ids: string[], context) =>
    Promise.all(
      ids.map((id) => {
        const [uuid, sequence] = id.split('_') as [string, string]
        const accountId = toAccountId(uuid)
        return holdsAccount(context.viewer, accountId) ? loadEntry(accountId, Number(sequence), context) : null
      }),
    ),
  fields: (t) => ({
    cursor: t.string({
      description:
        'The position of this entry in its account: it pages the connection and resumes the subscription alike.',
      resolve: (entry, _args, { ledger }) => ENTRY_CURSOR.encode(entry, ledger.era),
    }),
    node: t.expose('transaction', {
      type: Transaction,
      description: 'The transaction, under the name that Relay uses.',
    }),
    transaction: t.expose('transaction', {
      type: Transaction,
      description: 'The transaction this entry is a side of.',
    }),
    account: t.field({
      type: Account,
      description: 'The account whose balance it changed.',
      resolve: ({ accountId }) => ({ id: accountId }),
    }),
    counterparty: t.field({
      type: Account,
      nullable: true,
      description: 'The account on the other side. Null: the world outside.',
      resolve: counterpartyOf,
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When it was posted. Times rise strictly within an account.',
      resolve: (entry) => entry.transaction.createdAt,
    }),
    sequence: t.expose('sequence', {
      type: 'Sequence',
      description: 'Its number in the account: 1, 2, 3 … without gaps.',
    }),
    direction: t.field({ type: EntryDirection, description: 'Into the account or out of it.', resolve: directionOf }),
    change: t.expose('change', {
      type: 'Amount',
      description: 'What it did to the balance: negative when money went out.',
    }),
    balanceAfter: t.expose('balanceAfter', {
      type: 'Amount',
      description: 'The running balance, this entry included.',
    }),
    formatted: t.string({
      nullable: true,
      args: formatArguments,
      complexity: costOfFormatted,
      description: '`change` for people, such as `-$10.50`.',
      resolve: async ({ accountId, change }, args, context) =>
        formatted(change, await currencyOf(accountId, context), args, context),
    }),
  }),
})

function counterpartyOf({ accountId, transaction }: Entry) {
  const { sourceAccountId, destinationAccountId } = transaction
  const other = accountId === sourceAccountId ? destinationAccountId : sourceAccountId
  return other === null ? null : { id: other }
}

/** One entry of an account; null when its number is not given out yet. */
export async function loadEntry(accountId: AccountId, sequence: number, { loaders }: Context): Promise<Entry | null> {
  const [entry] = await loaders.entries.load({ accountId, low: sequence, high: sequence })
  return entry ?? null
}

/** Reads a cursor of this account into its position. */
export function entryPosition(
  argument: string,
  text: string | null | undefined,
  accountId: AccountId,
  { ledger }: Context,
) {
  const position = readCursor(argument, text, ENTRY_CURSOR, ledger.era, 'an account')
  if (position && position.accountId !== accountId) throw invalidArgument(argument, 'is a cursor of another account')
  return position?.sequence
}

/** Of entries that subscriptions have delivered. */
const currencies = new WeakMap<Entry, CurrencyRecord>()

/** The events of a subscription, whose entries have a currency that is known: to read it for each of them could fail. */
function inCurrency(entries: AsyncIterableIterator<Entry, undefined>, currency: CurrencyRecord): typeof entries {
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      const event = await entries.next()
      if (!event.done) currencies.set(event.value, currency)
      return event
    },
    return: async () => (await entries.return?.()) ?? { done: true, value: undefined },
  }
}

/** The same sentence as a posting gets. */
function noSuchAccount(path: string): GraphQLError {
  const { message } = REQUEST_CODES.ACCOUNT_NOT_FOUND
  return requestError('ACCOUNT_NOT_FOUND', message, { extensions: { fields: [{ path, message }] } })
}

builder.subscriptionField('entryPosted', (t) =>
  t.field({
    type: LedgerEntry,
    nullable: true,
    description: 'Each new entry of an account as it is committed, in order, none missed and none repeated.',
    args: {
      accountId: t.arg({ ...accountArgument, required: true, description: 'Which account.' }),
      since: t.arg.string({
        description:
          'Every entry later than this cursor (of an entry, or `Balance.cursor`), oldest first, and then what is new. Without it, from now.',
      }),
    },
    subscribe: async (_root, { accountId, since }, context) => {
      if (!holdsAccount(context.viewer, accountId)) throw noSuchAccount('accountId')
      const position = entryPosition('since', since, accountId, context)
      const [account, { sequence: head }] = await Promise.all([
        context.loaders.accounts.load(accountId),
        context.loaders.balances.load(accountId),
      ])
      if (!account) throw noSuchAccount('accountId')
      if (position !== undefined && position > head)
        throw invalidArgument('since', 'is a position the account has not reached')
      const entries = context.ledger.feed.subscribe(accountId, position ?? head, head)
      const { era } = context.ledger
      return resumable(inCurrency(entries, account.currency), (sequence: number) =>
        ENTRY_CURSOR.encode({ accountId, sequence }, era),
      )
    },
    resolve: (entry, _args, { loaders }) => {
      const currency = currencies.get(entry)
      if (currency) for (const side of accountsOf(entry.transaction)) loaders.currencies.set(side, currency)
      return entry
    },
  }),
)
