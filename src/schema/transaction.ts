import { type AccountId, type TransactionId, toTransactionId } from '../db/ids.ts'
import { TRANSACTION_CURSOR } from '../ledger/model/cursor.ts'
import { accountsOf, kindOf } from '../ledger/model/sides.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import { Account, currencyOf } from './account.ts'
import { builder, pageSize } from './builder.ts'
import type { Context } from './context.ts'
import { costOfConnection, costOfPairs, costOfWords } from './cost.ts'
import { Currency, currencyCode } from './currency.ts'
import { costOfFormatted, formatArguments, formatted } from './formatted.ts'
import { transactionArgument } from './id-arguments.ts'
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from './page-size.ts'
import { amountRange, connectionOf, oneDirection, pageRequest, timeRange, totalCount } from './pages.ts'
import { seesKey, seesTransaction } from './rights.ts'
import { descriptionFilterField, Metadata, metadataFilterField, metadataOf, PAIRS_MAX, pairsOf } from './words.ts'

export const TransactionKind = builder.enumType('TransactionKind', {
  description: 'Where the money came from and where it went.',
  values: {
    DEPOSIT: { description: 'From the world outside: there is no source.' },
    TRANSFER: { description: 'From one account to another.' },
    WITHDRAWAL: { description: 'To the world outside: there is no destination.' },
  } as const,
})

export const Transaction = builder.objectRef<LedgerTransaction>('Transaction')

builder.node(Transaction, {
  description: 'Money that moved. It is never changed and never deleted.',
  id: { resolve: (transaction) => transaction.id, description: 'Stable and readable: `transaction_<uuid>`.' },
  loadManyWithoutCache: (ids: string[], context) =>
    Promise.all(ids.map((id) => findTransaction(toTransactionId(id), context))),
  fields: (t) => ({
    kind: t.field({
      type: TransactionKind,
      description:
        'Deposit, transfer or withdrawal. The reversal of a deposit is a withdrawal, and the other way round.',
      resolve: kindOf,
    }),
    source: t.field({
      type: Account,
      nullable: true,
      description: 'The account that paid. Null: the world outside.',
      resolve: ({ sourceAccountId }) => (sourceAccountId === null ? null : { id: sourceAccountId }),
    }),
    destination: t.field({
      type: Account,
      nullable: true,
      description: 'The account that was paid. Null: the world outside.',
      resolve: ({ destinationAccountId }) => (destinationAccountId === null ? null : { id: destinationAccountId }),
    }),
    amount: t.expose('amount', { type: 'Amount', description: 'How much moved: always positive.' }),
    currency: t.field({
      type: Currency,
      description: 'What `amount` is counted in: the currency of the accounts.',
      resolve: (transaction, _args, context) => currencyOf(anAccountOf(transaction), context),
    }),
    formatted: t.string({
      nullable: true,
      args: formatArguments,
      complexity: costOfFormatted,
      description: '`amount` for people, such as `$10.50`.',
      resolve: async (transaction, args, context) =>
        formatted(transaction.amount, await currencyOf(anAccountOf(transaction), context), args, context),
    }),
    idempotencyKey: t.field({
      type: 'UUID',
      nullable: true,
      description:
        'The key its client made: posting with it again answers with this transaction. Only the payer of a transfer and operators see it.',
      resolve: (transaction, _args, { viewer }) => (seesKey(viewer, transaction) ? transaction.idempotencyKey : null),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'When it was posted. Within one account times rise strictly, with the sequence.',
    }),
    description: t.expose('description', {
      type: 'String',
      nullable: true,
      complexity: costOfWords,
      description: 'What it is for, in the words of whoever made the posting. Show it as text, never as HTML.',
    }),
    metadata: t.field({
      type: [Metadata],
      nullable: { list: true, items: false },
      complexity: costOfPairs(PAIRS_MAX),
      description: 'What its client noted on it, in the order of the keys.',
      resolve: ({ metadata }) => pairsOf(metadata),
    }),
    reverses: t.field({
      type: Transaction,
      nullable: true,
      description: 'The transaction that it takes back, whole or in part. Null: it is no reversal.',
      resolve: async ({ reversesId }, _args, context) =>
        reversesId === null ? null : findTransaction(reversesId, context),
    }),
    reversedAmount: t.field({
      type: 'Amount',
      nullable: true,
      description: 'How much of it was taken back so far, by all of its reversals together.',
      resolve: async ({ id }, _args, { loaders }) => (await loaders.reversed.load(id)).amount,
    }),
  }),
})

/** Both accounts have one currency, and at least one of them is there. */
function anAccountOf(transaction: LedgerTransaction): AccountId {
  return accountsOf(transaction)[0] as AccountId
}

/** A transaction that exists and that the viewer may see. */
export async function findTransaction(id: TransactionId, { loaders, viewer }: Context) {
  const transaction = await loaders.transactions.load(id)
  return transaction && seesTransaction(viewer, transaction) ? transaction : null
}

async function findTransactionByKey(key: string, { loaders, viewer }: Context) {
  const transaction = await loaders.transactionsByKey.load(key)
  return transaction && seesKey(viewer, transaction) ? transaction : null
}

const TransactionFilter = builder.inputType('TransactionFilter', {
  description: 'Which transactions: those that match all that is given.',
  validate: [amountRange, timeRange],
  fields: (t) => ({
    currency: t.string({ description: 'Only those in this currency.', validate: { schema: currencyCode } }),
    kind: t.field({ type: TransactionKind, description: 'Only those of this kind.' }),
    amountMin: t.field({ type: 'Amount', description: 'No smaller amounts.' }),
    amountMax: t.field({ type: 'Amount', description: 'No larger amounts.' }),
    from: t.field({ type: 'DateTime', description: 'Nothing before this moment.' }),
    to: t.field({ type: 'DateTime', description: 'Nothing at or after this moment.' }),
    metadata: t.field(metadataFilterField),
    descriptionContains: t.string(descriptionFilterField),
    reversal: t.boolean({ description: 'True: only reversals. False: only what is not a reversal.' }),
  }),
})

const TransactionsConnection = builder.connectionObject(
  {
    type: Transaction,
    name: 'TransactionsConnection',
    description: 'A page of transactions, newest first.',
    fields: (t) => ({
      totalCount: t.field(totalCount('transactions', '; null when there are more than a million to look through')),
    }),
  },
  { name: 'TransactionsEdge', description: 'A transaction in a page.' },
)

builder.objectField(Transaction, 'reversals', (t) =>
  t.field({
    type: TransactionsConnection,
    nullable: true,
    description: 'What took it back, newest first.',
    complexity: costOfConnection,
    args: {
      first: t.arg.int({
        ...pageSize,
        description: `How many (default ${PAGE_SIZE_DEFAULT}, at most ${PAGE_SIZE_MAX}).`,
      }),
      after: t.arg.string({ description: 'Only those older than this cursor.' }),
    },
    resolve: async ({ id }, page, { ledger, loaders }) => {
      const { first, after } = pageRequest(page, TRANSACTION_CURSOR, ledger.era)
      const { items, ...around } = await loaders.reversals.load({ id, size: first ?? PAGE_SIZE_DEFAULT, after })
      const connection = connectionOf(items, around, TRANSACTION_CURSOR, ledger.era)
      return { ...connection, totalCount: () => loaders.reversed.load(id).then(({ count }) => count) }
    },
  }),
)

builder.queryFields((t) => ({
  transaction: t.field({
    type: Transaction,
    nullable: true,
    description:
      'One transaction, by id or by the idempotency key you posted it with. Null if it does not exist or you are on neither side.',
    args: {
      id: t.arg({ ...transactionArgument, description: '`transaction_<uuid>`, or the bare UUID.' }),
      idempotencyKey: t.arg({ type: 'UUID', description: 'The key its client made.' }),
    },
    validate: [
      [
        ({ id, idempotencyKey }) => (id == null) !== (idempotencyKey == null),
        { message: 'takes exactly one of `id` and `idempotencyKey`', path: ['id'] },
      ],
    ],
    resolve: (_root, { id, idempotencyKey }, context) =>
      id != null ? findTransaction(id, context) : findTransactionByKey(idempotencyKey as string, context),
  }),
  transactions: t.connection(
    {
      type: Transaction,
      nullable: true,
      description:
        'The whole ledger, newest first by time, and then by id. For operators. A page with a filter looks through a bounded number of transactions, so it may have fewer items than asked for and still have a next page, which continues from there. Behind the cursor, too, it looks only that far for another page.',
      authScopes: { operator: true },
      complexity: costOfConnection,
      args: { filter: t.arg({ type: TransactionFilter, description: 'Only some of them.' }) },
      validate: [oneDirection],
      resolve: async (_root, { filter, ...page }, { ledger }) => {
        const { era, transactions } = ledger
        const request = pageRequest(page, TRANSACTION_CURSOR, era)
        const matching = { ...filter, metadata: metadataOf(filter?.metadata) }
        const { items, ...around } = await transactions.page(request, matching)
        const connection = connectionOf(items, around, TRANSACTION_CURSOR, era)
        return { ...connection, totalCount: () => transactions.count(matching) }
      },
    },
    TransactionsConnection,
  ),
}))
