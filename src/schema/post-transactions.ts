import { wrapErrorIfMatches } from '@pothos/plugin-errors'
import { holdsAccount } from '../auth/model/viewer.ts'
import type { Outcome } from '../ledger/model/posting.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { UNITS_PER_TURN } from '../turns.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfPostings } from './cost.ts'
import { ErrorInterface, MutationError } from './errors.ts'
import {
  depositOf,
  invalidFields,
  noteCurrencies,
  type PostingItem,
  type Success,
  successRef,
  transferOf,
  withdrawalOf,
} from './posting.ts'
import { AccountNotFoundError, errorOf, POSTING_ERRORS } from './posting-errors.ts'
import { DepositInput, TransferInput, WithdrawInput } from './posting-inputs.ts'
import { noteRefusal } from './refusal-notes.ts'
import { ReverseTransactionInput, reversalOf } from './reversal.ts'
import { unauthorized } from './rights.ts'
import { ValidationError } from './validation-error.ts'

/** How many postings one call may have. */
const TRANSACTIONS_MAX = 1_000

const PostTransactionInput = builder.inputType('PostTransactionInput', {
  description: 'One posting.',
  isOneOf: true,
  fields: (t) => ({
    deposit: t.field({ type: DepositInput, description: 'Money that comes in.' }),
    transfer: t.field({ type: TransferInput, description: 'Money that moves.' }),
    withdraw: t.field({ type: WithdrawInput, description: 'Money that leaves.' }),
    reverseTransaction: t.field({ type: ReverseTransactionInput, description: 'A transaction that is taken back.' }),
  }),
})

const PostTransactionsInput = builder.inputType('PostTransactionsInput', {
  description: 'Several postings, in order.',
  fields: (t) => ({
    atomic: t.boolean({
      required: true,
      description:
        'True: all are posted or none; the first refusal refuses the whole call, and no key may appear twice. False: each is posted or refused by itself, with a result of its own.',
    }),
    transactions: t.field({
      type: [PostTransactionInput],
      required: true,
      description: `From 1 to ${TRANSACTIONS_MAX} postings. They are judged in this order, except those that wait for an account that something else has locked.`,
      validate: {
        minLength: [1, { message: 'must not be empty' }],
        maxLength: [TRANSACTIONS_MAX, { message: `takes at most ${TRANSACTIONS_MAX} postings` }],
      },
    }),
  }),
})

const PostTransactionSuccess = successRef('PostTransactionSuccess', 'The posting is in the ledger, for good.')

type Result = Success | MutationError | UnavailableError

const PostTransactionsSuccess = builder.objectRef<{ results: unknown[] }>('PostTransactionsSuccess').implement({
  description:
    'Every posting was judged. Of an atomic call all are in the ledger; otherwise those whose result says so.',
  fields: (t) => ({
    results: t.field({
      type: [PostTransactionSuccess],
      nullable: { list: false, items: true },
      complexity: { field: 1, multiplier: 1 },
      description: 'One for each posting, in its place. Null where the server failed: see `errors`.',
      itemErrors: {
        types: [...POSTING_ERRORS],
        union: { name: 'PostTransactionResult', description: 'What became of one posting of several.' },
      },
      // Errors among them become members of the union, though the types of `itemErrors` know successes only.
      resolve: ({ results }, _args, { slices }) => slices.of(results as Success[]),
    }),
  }),
})

/** An atomic call, refused for the sake of one of its postings. */
class PostingRefusedError extends MutationError {
  readonly index: number
  readonly reason: MutationError
  constructor(reason: MutationError, index: number) {
    super(reason.code, 'One of the postings was refused, so none was posted. Correct it, or leave it out.')
    this.index = index
    this.reason = reason
  }
}

builder.objectType(PostingRefusedError, {
  name: 'PostingRefusedError',
  description: 'A posting of an atomic call was refused, so none was posted. No key was used up.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    index: t.exposeInt('index', { description: 'The place of the posting in `transactions`, from 0.' }),
    reason: t.field({
      type: ErrorInterface,
      description: 'Why it was refused.',
      // An error that is a value: graphql-js would throw it.
      resolve: ({ reason }) => wrapErrorIfMatches(reason, [...POSTING_ERRORS]) as MutationError,
    }),
  }),
})

type Listed = typeof PostTransactionInput.$inferInput

/** A posting of the list, or why the viewer may not make it. */
type ListedItem = PostingItem | MutationError

/** Under which name a posting is in the list, and its input. */
function namedInput({ deposit, transfer, withdraw, reverseTransaction }: Listed) {
  if (deposit) return { name: 'deposit', input: deposit } as const
  if (transfer) return { name: 'transfer', input: transfer } as const
  if (withdraw) return { name: 'withdraw', input: withdraw } as const
  if (reverseTransaction) return { name: 'reverseTransaction', input: reverseTransaction } as const
  throw new TypeError('no posting of any kind')
}

async function itemOf(listed: Listed, { loaders, viewer }: Context): Promise<ListedItem> {
  const { deposit, transfer, withdraw, reverseTransaction } = listed
  const own = deposit
    ? depositOf(deposit)
    : transfer
      ? transferOf(transfer)
      : withdraw
        ? withdrawalOf(withdraw)
        : undefined
  // For the viewer, somebody else's account does not exist. The ledger is not asked.
  if (own) return holdsAccount(viewer, own.accountId) ? own : new AccountNotFoundError(own.accountId)
  if (!reverseTransaction) throw new TypeError('no posting of any kind')
  const original = await loaders.transactions.load(reverseTransaction.transactionId)
  return reversalOf(reverseTransaction, original, viewer)
}

async function postTogether(items: readonly ListedItem[], context: Context): Promise<Result[]> {
  const { ledger, viewer } = context
  const accepted: PostingItem[] = []
  for (const [index, item] of items.entries()) {
    if (item instanceof MutationError) throw new PostingRefusedError(item, index)
    accepted.push(item)
  }
  const outcome = await ledger.posting.postTogether(
    accepted.map(({ request }) => request),
    viewer.key,
  )
  if ('refusal' in outcome) {
    throw new PostingRefusedError(errorOf(outcome.refusal, accepted[outcome.index]?.names ?? {}, viewer), outcome.index)
  }
  await noteCurrencies(outcome.posted, context)
  return outcome.posted.map((posted, index) => ({ posted, accountId: (accepted[index] as PostingItem).accountId }))
}

/** What went wrong with one is the result of that one, faults included. */
async function postEach(items: readonly ListedItem[], context: Context): Promise<unknown[]> {
  const { ledger, viewer, slices } = context
  const posted: Promise<PromiseSettledResult<Outcome | MutationError>[]>[] = []
  for (let start = 0; start < items.length; start += UNITS_PER_TURN) {
    const slice = items.slice(start, start + UNITS_PER_TURN)
    await slices.take(slice.length)
    posted.push(
      Promise.allSettled(
        slice.map((item) => (item instanceof MutationError ? item : ledger.posting.post(item.request, viewer.key))),
      ),
    )
  }
  const settled = (await Promise.all(posted)).flat()
  const accepted = settled.flatMap((each) =>
    each.status === 'fulfilled' && 'posted' in each.value ? each.value.posted : [],
  )
  await noteCurrencies(accepted, context)
  return settled.map((each, index) => {
    const item = items[index] as ListedItem
    if (each.status === 'rejected') return each.reason
    if (each.value instanceof MutationError || item instanceof MutationError) return each.value
    return 'refusal' in each.value
      ? errorOf(each.value.refusal, item.names, viewer)
      : { posted: each.value.posted, accountId: item.accountId }
  })
}

/** Refuses the whole call, as malformed input does: it names each field that breaks a rule or is not for the viewer. */
function refuseInvalidFields(items: readonly ListedItem[], listed: readonly Listed[], context: Context): void {
  const issues = items.flatMap((item, index) => {
    if (item instanceof MutationError) return []
    const { name } = namedInput(listed[index] as Listed)
    return invalidFields(item, context).map(({ path, message }) => ({
      path: ['input', 'transactions', index, name, path],
      message,
    }))
  })
  if (issues.length > 0) throw new ValidationError(issues)
}

/** Within an atomic call no key may appear twice: every repetition is an issue. */
function refuseEqualKeys(listed: readonly Listed[]): void {
  const keys = new Set<string>()
  const issues = listed.flatMap((each, index) => {
    const { name, input } = namedInput(each)
    const isFirst = keys.size < keys.add(input.idempotencyKey).size
    const path = ['input', 'transactions', index, name, 'idempotencyKey']
    return isFirst ? [] : [{ path, message: 'appears twice in an atomic call' }]
  })
  if (issues.length > 0) throw new ValidationError(issues)
}

builder.mutationField('postTransactions', (t) =>
  t.field({
    type: PostTransactionsSuccess,
    nullable: true,
    complexity: ({ input }) => costOfPostings(input.transactions.length, TRANSACTIONS_MAX),
    description:
      'Makes several postings in one call. Deposits and withdrawals are for operators. A reversal can only name a transaction that was posted before this call.',
    args: { input: t.arg({ type: PostTransactionsInput, required: true, description: 'The postings.' }) },
    errors: {
      types: [ValidationError, PostingRefusedError, UnavailableError],
      union: { description: 'What became of the postings, or why none was posted.' },
    },
    resolve: async (_root, { input }, context) => {
      const listed = input.transactions
      if (context.viewer.role !== 'OPERATOR' && listed.some(({ deposit, withdraw }) => deposit || withdraw))
        throw unauthorized(context)
      const items = await Promise.all(listed.map((each) => itemOf(each, context)))
      refuseInvalidFields(items, listed, context)
      if (!input.atomic) {
        const results = await postEach(items, context)
        for (const result of results) if (result instanceof Error) noteRefusal(context, result)
        return { results }
      }
      refuseEqualKeys(listed)
      return { results: await postTogether(items, context) }
    },
  }),
)
