import { FAILED_TRANSACTION_CURSOR } from '../ledger/model/cursor.ts'
import type { FailedTransaction as Attempt } from '../ledger/model/failed-transaction.ts'
import { Account } from './account.ts'
import { builder } from './builder.ts'
import { costOfConnection } from './cost.ts'
import { Currency } from './currency.ts'
import { ErrorCode, FailedTransactionNotFoundError } from './errors.ts'
import { accountArgument, attemptArgument } from './id-arguments.ts'
import { connectionOf, oneDirection, pageRequest } from './pages.ts'
import { seesAttempt } from './rights.ts'
import { ValidationError } from './validation-error.ts'

const FailedTransaction = builder.objectRef<Attempt>('FailedTransaction')

builder.node(FailedTransaction, {
  description:
    'An attempt that was definitely not posted: it was refused, or given up. Attempts with an unknown outcome are not recorded, nor are those refused with `OVERLOADED`, nor those of a viewer who has too many in an hour.',
  id: { resolve: (attempt) => attempt.id, description: 'Stable and readable: `attempt_<uuid>`.' },
  loadManyWithoutCache: (ids: string[], { loaders, viewer }) =>
    Promise.all(
      ids.map(async (id) => {
        const attempt = await loaders.failedTransactions.load(id)
        return attempt && seesAttempt(viewer, attempt) ? attempt : null
      }),
    ),
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCode, description: 'Why it was not posted.' }),
    message: t.exposeString('message', { description: 'The same for people.' }),
    source: t.field({
      type: Account,
      nullable: true,
      description: 'The account that would have paid. Null: the world outside, or an account that does not exist.',
      resolve: async ({ sourceAccountId }, _args, { loaders }) =>
        sourceAccountId === null ? null : loaders.accounts.load(sourceAccountId),
    }),
    destination: t.field({
      type: Account,
      nullable: true,
      description: 'The account that would have been paid. Null: the world outside, or an account that does not exist.',
      resolve: async ({ destinationAccountId }, _args, { loaders }) =>
        destinationAccountId === null ? null : loaders.accounts.load(destinationAccountId),
    }),
    amount: t.expose('amount', { type: 'Amount', description: 'How much would have moved.' }),
    currency: t.field({
      type: Currency,
      nullable: true,
      description: 'What `amount` is counted in: the currency of `source`, or else of `destination`.',
      resolve: async ({ sourceAccountId, destinationAccountId }, _args, { loaders }) => {
        const accounts = await Promise.all([
          sourceAccountId && loaders.accounts.load(sourceAccountId),
          destinationAccountId && loaders.accounts.load(destinationAccountId),
        ])
        return accounts.find((account) => account != null)?.currency
      },
    }),
    idempotencyKey: t.expose('idempotencyKey', {
      type: 'UUID',
      nullable: true,
      description: 'The key its client made: a later attempt with it may have been posted.',
    }),
    attempts: t.expose('attempts', { type: 'Sequence', description: 'How often it was tried before it was given up.' }),
    failedAt: t.expose('failedAt', { type: 'DateTime', description: 'When it was refused, or given up.' }),
    addressedAt: t.expose('addressedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was marked as addressed. Null: it is not.',
    }),
  }),
})

const FailedTransactionFilter = builder.inputType('FailedTransactionFilter', {
  description: 'Which failed attempts: those that match all that is given.',
  fields: (t) => ({
    accountId: t.field({
      ...accountArgument,
      description: 'The account that would have paid or been paid. It need not exist.',
    }),
    code: t.field({ type: ErrorCode, description: 'Why they were not posted.' }),
    addressed: t.boolean({ description: 'Whether they are marked as addressed.' }),
  }),
})

builder.queryField('failedTransactions', (t) =>
  t.connection(
    {
      type: FailedTransaction,
      nullable: true,
      description:
        "Attempts that were definitely not posted, newest first: yours, or everybody's if you are an operator. Each appears a moment after its answer.",
      complexity: costOfConnection,
      args: { filter: t.arg({ type: FailedTransactionFilter, description: 'Only some of them.' }) },
      validate: [oneDirection],
      resolve: async (_root, { filter, ...page }, { ledger, viewer }) => {
        const request = pageRequest(page, FAILED_TRANSACTION_CURSOR, ledger.era)
        const { accountIds, role } = viewer
        const posters = accountIds && { accountIds: [...accountIds], withOutside: role === 'OPERATOR' }
        const failed = await ledger.failedTransactions.page(request, filter ?? {}, posters)
        const { rows, ...around } = failed
        return connectionOf(rows, around, FAILED_TRANSACTION_CURSOR, ledger.era)
      },
    },
    { name: 'FailedTransactionsConnection', description: 'A page of failed attempts, newest first.' },
    { name: 'FailedTransactionsEdge', description: 'A failed attempt in a page.' },
  ),
)

const AddressFailedTransactionInput = builder.inputType('AddressFailedTransactionInput', {
  description: 'A failed attempt to mark as addressed.',
  fields: (t) => ({
    id: t.field({ ...attemptArgument, required: true, description: '`attempt_<uuid>`, or the bare UUID.' }),
  }),
})

const AddressFailedTransactionSuccess = builder
  .objectRef<{ failedTransaction: Attempt }>('AddressFailedTransactionSuccess')
  .implement({
    description: 'The attempt is marked.',
    fields: (t) => ({
      failedTransaction: t.expose('failedTransaction', { type: FailedTransaction, description: 'As it is now.' }),
    }),
  })

builder.mutationField('addressFailedTransaction', (t) =>
  t.field({
    type: AddressFailedTransactionSuccess,
    nullable: true,
    authScopes: { operator: true },
    description: 'Marks a failed attempt as addressed. Marking it again changes nothing. For operators.',
    args: { input: t.arg({ type: AddressFailedTransactionInput, required: true, description: 'Which one.' }) },
    errors: {
      types: [ValidationError, FailedTransactionNotFoundError],
      union: { description: 'The attempt, or why it was not marked.' },
    },
    resolve: async (_root, { input }, { ledger }) => {
      const failedTransaction = await ledger.failedTransactions.address(input.id)
      if (!failedTransaction) throw new FailedTransactionNotFoundError()
      return { failedTransaction }
    },
  }),
)
