import type { AccountId } from '../db/ids.ts'
import { type Instant, justBefore } from '../db/instant.ts'
import { ENTRY_CURSOR } from '../ledger/model/cursor.ts'
import type { LedgerEntry as Entry } from '../ledger/model/entry.ts'
import { isSelective } from '../ledger/model/entry-filter.ts'
import type { EntryList } from '../ledger/model/entry-list.ts'
import { pageRange } from '../ledger/model/entry-range.ts'
import type { FilteredPage } from '../ledger/model/filtered-page.ts'
import type { PageRequest } from '../ledger/model/page-request.ts'
import { Account, isHeld } from './account.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfConnection } from './cost.ts'
import { accountArgument } from './id-arguments.ts'
import { EntryDirection, entryPosition, LedgerEntry } from './ledger-entry.ts'
import { pageSizeOf } from './page-size.ts'
import { amountRange, oneDirection, pageInfoOf, timeRange, totalCount } from './pages.ts'
import { Transaction, TransactionKind } from './transaction.ts'
import { descriptionFilterField, metadataFilterField, metadataOf } from './words.ts'

const LedgerEntryFilter = builder.inputType('LedgerEntryFilter', {
  description: 'Which entries of an account: those that match all that is given.',
  validate: [amountRange, timeRange],
  fields: (t) => ({
    direction: t.field({ type: EntryDirection, description: 'Only what came in, or what went out.' }),
    kind: t.field({ type: TransactionKind, description: 'Only those of this kind.' }),
    counterpartyId: t.field({ ...accountArgument, description: 'Only what came from this account or went to it.' }),
    amountMin: t.field({ type: 'Amount', description: 'No smaller amounts. Amounts are positive either way.' }),
    amountMax: t.field({ type: 'Amount', description: 'No larger amounts.' }),
    from: t.field({ type: 'DateTime', description: 'Nothing before this moment.' }),
    to: t.field({ type: 'DateTime', description: 'Nothing at or after this moment.' }),
    metadata: t.field(metadataFilterField),
    descriptionContains: t.string(descriptionFilterField),
    reversal: t.boolean({ description: 'True: only reversals. False: only what is not a reversal.' }),
  }),
})

const AccountTransactionsConnection = builder.connectionObject(
  {
    type: Transaction,
    name: 'AccountTransactionsConnection',
    description: 'A page of the entries of an account, newest first.',
    fields: (t) => ({
      totalCount: t.field(totalCount('entries', '; null when there are more than a million to look through')),
    }),
  },
  // An entry is its own edge. Pothos wants an edge to carry `cursor` and `node`; an entry's are resolved.
  LedgerEntry as never,
)

builder.objectField(Account, 'transactions', (t) =>
  t.connection(
    {
      type: Transaction,
      nullable: true,
      description:
        'The entries of the account with their running balances, newest first: `after` goes to older ones, `before` to newer ones. Null for an account that is not yours. A page with a filter looks through a bounded number of entries, so it may have fewer items than asked for and still have a next page, which continues from there. Behind the cursor, too, it looks only that far for another page.',
      complexity: costOfConnection,
      args: {
        filter: t.arg({
          type: LedgerEntryFilter,
          description: 'Only some of them. A cursor is good with every filter of its account.',
        }),
      },
      validate: [oneDirection],
      resolve: async (account, { filter, ...page }, context) => {
        const { ledger, loaders, viewer } = context
        if (!isHeld(account, viewer)) return null
        const accountId = account.id
        const request = {
          ...pageSizeOf(page),
          after: entryPosition('after', page.after, accountId, context),
          before: entryPosition('before', page.before, accountId, context),
        }
        const metadata = metadataOf(filter?.metadata)
        const list = await entryListOf(accountId, { ...filter, metadata }, context)
        const { items, ...around } = await loadEntryPage(request, list, context)
        await context.slices.take(items.length)
        const cursorAt = (sequence: number) => ENTRY_CURSOR.encode({ accountId, sequence }, ledger.era)
        const edges = items.map((entry) => ({ ...entry, cursor: cursorAt(entry.sequence), node: entry.transaction }))
        return {
          edges,
          pageInfo: pageInfoOf(edges, around, cursorAt),
          totalCount: () => (isSelective(list.filter) ? loaders.matchCounts.load(list) : list.high - list.low + 1),
        }
      },
    },
    AccountTransactionsConnection,
  ),
)

type FilterInput = EntryList['filter'] & { from?: Instant | null | undefined; to?: Instant | null | undefined }

/** A range of time is a range of entries, since times rise with their numbers. */
async function entryListOf(
  accountId: AccountId,
  { from, to, ...filter }: FilterInput,
  { loaders }: Context,
): Promise<EntryList> {
  const lastBefore = (moment: Instant) => loaders.positions.load({ accountId, asOf: justBefore(moment) })
  const [{ sequence: head }, low, high] = await Promise.all([
    loaders.balances.load(accountId),
    from == null ? 0 : lastBefore(from),
    to == null ? Number.POSITIVE_INFINITY : lastBefore(to),
  ])
  return { accountId, low: low + 1, high: Math.max(low, Math.min(head, high)), filter }
}

async function loadEntryPage(
  page: PageRequest<number>,
  list: EntryList,
  { loaders }: Context,
): Promise<FilteredPage<Entry, number>> {
  if (isSelective(list.filter)) return loaders.matches.load({ list, page })
  const { hasOlder, hasNewer, ...range } = pageRange(page, list)
  return { items: await loaders.entries.load(range), hasOlder, hasNewer }
}
