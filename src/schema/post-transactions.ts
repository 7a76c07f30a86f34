import { wrapErrorIfMatches } from '@pothos/plugin-errors'
import { holdsAccount, type Viewer } from '../auth/model/viewer.ts'
import type { Outcome } from '../ledger/model/posting.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { UNITS_PER_TURN } from '../turns.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfPostings } from './cost.ts'
import { ErrorInterface, MutationError } from './errors.ts'
import {
  DepositInput,
  depositOf,
  forbiddenFields,
  noteCurrencies,
  type PostingItem,
  type Success,
  successRef,
  TransferInput,
  transferOf,
} from './posting.ts'
import { AccountNotFoundError, errorOf, POSTING_ERRORS } from './posting-errors.ts'
import { noteRefusal } from './refusal-notes.ts'
import { unauthorized } from './rights.ts'
import { ValidationError } from './validation-error.ts'

/** How many postings one call may have. */
const TRANSACTIONS_MAX = 1_000

const PostTransactionInput = builder.inputType('PostTransactionInput', {
  description: 'One posting: a deposit or a transfer.',
  isOneOf: true,
  fields: (t) => ({
    deposit: t.field({ type: DepositInput, description: 'Money that comes in.' }),
    transfer: t.field({ type: TransferInput, description: 'Money that moves.' }),
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

interface ListedItem extends PostingItem {
  /** Under which name it is in the list. */
  input: 'deposit' | 'transfer'
}

function listedItemOf({ deposit, transfer }: typeof PostTransactionInput.$inferInput): ListedItem {
  if (deposit) return { ...depositOf(deposit), input: 'deposit' }
  if (!transfer) throw new TypeError('neither a deposit nor a transfer')
  return { ...transferOf(transfer), input: 'transfer' }
}

/** Why a posting is none of the viewer's business, if it is not. */
function refusalFor({ accountId }: PostingItem, viewer: Viewer): AccountNotFoundError | undefined {
  return holdsAccount(viewer, accountId) ? undefined : new AccountNotFoundError(accountId)
}

async function postTogether(items: readonly PostingItem[], context: Context): Promise<Result[]> {
  const { ledger, viewer } = context
  const refused = items.findIndex((item) => refusalFor(item, viewer))
  if (refused !== -1)
    throw new PostingRefusedError(refusalFor(items[refused] as PostingItem, viewer) as MutationError, refused)
  const outcome = await ledger.posting.postTogether(
    items.map(({ request }) => request),
    viewer.key,
  )
  if ('refusal' in outcome) {
    throw new PostingRefusedError(errorOf(outcome.refusal, items[outcome.index]?.names ?? {}, viewer), outcome.index)
  }
  await noteCurrencies(outcome.posted, context)
  return outcome.posted.map((posted, index) => ({ posted, accountId: (items[index] as PostingItem).accountId }))
}

/** What went wrong with one is the result of that one, faults included. */
async function postEach(items: readonly PostingItem[], context: Context): Promise<unknown[]> {
  const { ledger, viewer, slices } = context
  const posted: Promise<PromiseSettledResult<Outcome | AccountNotFoundError>[]>[] = []
  for (let start = 0; start < items.length; start += UNITS_PER_TURN) {
    const slice = items.slice(start, start + UNITS_PER_TURN)
    await slices.take(slice.length)
    posted.push(
      Promise.allSettled(
        slice.map((item) => refusalFor(item, viewer) ?? ledger.posting.post(item.request, viewer.key)),
      ),
    )
  }
  const settled = (await Promise.all(posted)).flat()
  const accepted = settled.flatMap((each) =>
    each.status === 'fulfilled' && 'posted' in each.value ? each.value.posted : [],
  )
  await noteCurrencies(accepted, context)
  return settled.map((each, index) => {
    const { accountId, names } = items[index] as PostingItem
    if (each.status === 'rejected') return each.reason
    if (each.value instanceof AccountNotFoundError) return each.value
    return 'refusal' in each.value
      ? errorOf(each.value.refusal, names, viewer)
      : { posted: each.value.posted, accountId }
  })
}

/** Refuses the whole call, as malformed input does: it names each field that is not for the viewer. */
function refuseForbiddenFields(items: readonly ListedItem[], context: Context): void {
  const issues = items.flatMap((item, index) =>
    forbiddenFields(item, context).map(({ path, message }) => ({
      path: ['input', 'transactions', index, item.input, path],
      message,
    })),
  )
  if (issues.length > 0) throw new ValidationError(issues)
}

/** Within an atomic call no key may appear twice: every repetition is an issue. */
function refuseEqualKeys(items: readonly ListedItem[]): void {
  const keys = new Set<string>()
  const issues = items.flatMap(({ request, input }, index) => {
    const isFirst = keys.size < keys.add(request.idempotencyKey).size
    const path = ['input', 'transactions', index, input, 'idempotencyKey']
    return isFirst ? [] : [{ path, message: 'appears twice in an atomic call' }]
  })
  if (issues.length > 0) throw new ValidationError(issues)
}

builder.mutationField('postTransactions', (t) =>
  t.field({
    type: PostTransactionsSuccess,
    nullable: true,
    complexity: ({ input }) => costOfPostings(input.transactions.length, TRANSACTIONS_MAX),
    description: 'Posts several deposits and transfers in one call. Deposits are for operators.',
    args: { input: t.arg({ type: PostTransactionsInput, required: true, description: 'The postings.' }) },
    errors: {
      types: [ValidationError, PostingRefusedError, UnavailableError],
      union: { description: 'What became of the postings, or why none was posted.' },
    },
    resolve: async (_root, { input }, context) => {
      const items = input.transactions.map(listedItemOf)
      if (context.viewer.role !== 'OPERATOR' && items.some((item) => item.input === 'deposit'))
        throw unauthorized(context)
      refuseForbiddenFields(items, context)
      if (!input.atomic) {
        const results = await postEach(items, context)
        for (const result of results) if (result instanceof Error) noteRefusal(context, result)
        return { results }
      }
      refuseEqualKeys(items)
      return { results: await postTogether(items, context) }
    },
  }),
)
