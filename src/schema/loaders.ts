import DataLoader from 'dataloader'
import type { AccountId, TransactionId } from '../db/ids.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Account, Currency } from '../ledger/model/account.ts'
import type { AccountsOfOwner, AccountsOfOwnerPage } from '../ledger/model/account-list.ts'
import type { AccountBalance, AccountMoment } from '../ledger/model/balance.ts'
import type { BalanceBucket, HistoryRequest } from '../ledger/model/balance-history.ts'
import type { LedgerEntry } from '../ledger/model/entry.ts'
import type { EntryList, MatchRequest } from '../ledger/model/entry-list.ts'
import type { EntryRange } from '../ledger/model/entry-range.ts'
import type { FailedTransaction } from '../ledger/model/failed-transaction.ts'
import type { FilteredPage } from '../ledger/model/filtered-page.ts'
import type { IdPage } from '../ledger/model/id-page.ts'
import type { ReversalsPage, ReversalsRequest, Reversed } from '../ledger/model/reversals.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import type { User, UserKey } from '../ledger/model/user.ts'
import type { Slices } from './slices.ts'

/**
 * What one operation reads. The reads of one level are gathered into one statement of each kind. Only users and
 * accounts are cached for the operation, and a mutation that changes one clears it: mutations run one after another and must
 * see each other's changes, balances and entries.
 */
export interface Loaders {
  lookups: DataLoader<UserKey, User | undefined>
  users: DataLoader<string, User | undefined>
  usersByEmail: DataLoader<string, User | undefined>
  accounts: DataLoader<AccountId, Account | undefined>
  /** Of accounts that this operation has posted to, or whose entry it is about. */
  currencies: Map<AccountId, Currency>
  accountsOfOwners: DataLoader<AccountsOfOwnerPage, IdPage<Account>>
  accountCountsOfOwners: DataLoader<AccountsOfOwner, number>
  transactions: DataLoader<TransactionId, LedgerTransaction | undefined>
  reversed: DataLoader<TransactionId, Reversed>
  reversals: DataLoader<ReversalsRequest, ReversalsPage>
  transactionsByKey: DataLoader<string, LedgerTransaction | undefined>
  failedTransactions: DataLoader<string, FailedTransaction | undefined>
  balances: DataLoader<AccountId, AccountBalance>
  /** Rejects with a FutureMomentError. */
  balancesAsOf: DataLoader<AccountMoment, AccountBalance>
  /** Rejects with a FutureMomentError or a TooManyBucketsError. */
  histories: DataLoader<HistoryRequest, BalanceBucket[]>
  /** The number of the last entry at or before a moment. */
  positions: DataLoader<AccountMoment, number>
  entries: DataLoader<EntryRange, LedgerEntry[]>
  matches: DataLoader<MatchRequest, FilteredPage<LedgerEntry, number>>
  /** null: too many to count. */
  matchCounts: DataLoader<EntryList, number | null>
}

/** What a loader of one operation is made with. */
interface Making {
  loaders: Loaders
  /** The options of a loader without a cache. */
  fresh: { cache: false; batchScheduleFn: (dispatch: () => void) => void }
}

/** The functions that make the loaders of one ledger. */
function makersOf({ users, accounts, transactions, failedTransactions, entries, balances, histories }: Ledger) {
  return {
    // The users of one level come from one statement, by id and by e-mail alike. So what is read of them next is gathered
    // together too, such as their balances, which must add up.
    lookups: ({ fresh }) => new DataLoader<UserKey, User | undefined>((keys) => users.find(keys), fresh),
    users: ({ loaders, fresh }) =>
      new DataLoader((ids) => Promise.all(ids.map((id) => loaders.lookups.load({ id }))), { ...fresh, cache: true }),
    usersByEmail: ({ loaders, fresh }) =>
      new DataLoader((emails) => Promise.all(emails.map((email) => loaders.lookups.load({ email }))), fresh),
    accounts: ({ fresh }) => new DataLoader((ids) => accounts.find(ids), { ...fresh, cache: true }),
    currencies: () => new Map(),
    accountsOfOwners: ({ fresh }) => new DataLoader((requests) => accounts.pagesOfOwners(requests), fresh),
    accountCountsOfOwners: ({ fresh }) => new DataLoader((requests) => accounts.countsOfOwners(requests), fresh),
    transactions: ({ fresh }) => new DataLoader((ids) => transactions.find(ids), fresh),
    reversed: ({ fresh }) => new DataLoader((ids) => transactions.reversed(ids), fresh),
    reversals: ({ fresh }) => new DataLoader((requests) => transactions.reversals(requests), fresh),
    transactionsByKey: ({ fresh }) => new DataLoader((keys) => transactions.findByKey(keys), fresh),
    failedTransactions: ({ fresh }) => new DataLoader((ids) => failedTransactions.find(ids), fresh),
    balances: ({ fresh }) => new DataLoader((ids) => balances.current(ids), fresh),
    balancesAsOf: ({ fresh }) =>
      new DataLoader<AccountMoment, AccountBalance>((moments) => balances.asOf(moments), fresh),
    histories: ({ fresh }) =>
      new DataLoader<HistoryRequest, BalanceBucket[]>((requests) => histories.load(requests), fresh),
    positions: ({ fresh }) => new DataLoader((moments) => balances.positionsAt(moments), fresh),
    entries: ({ fresh }) => new DataLoader((ranges) => entries.load(ranges), fresh),
    matches: ({ fresh }) => new DataLoader((requests) => entries.page(requests), fresh),
    matchCounts: ({ fresh }) => new DataLoader((lists) => entries.count(lists), fresh),
  } satisfies { [Name in keyof Loaders]: (making: Making) => Loaders[Name] }
}

/**
 * The loaders of each ledger, as a class whose instances make a loader when it is first used: there are many operations, and
 * each uses two or three loaders.
 */
const classes = new WeakMap<Ledger, new (slices: Slices) => Loaders>()

/** @param slices of the operation. What is loaded waits for them. */
export function createLoaders(ledger: Ledger, slices: Slices): Loaders {
  let Lazy = classes.get(ledger)
  if (!Lazy) {
    Lazy = lazyClassOf(ledger)
    classes.set(ledger, Lazy)
  }
  return new Lazy(slices)
}

function lazyClassOf(ledger: Ledger): new (slices: Slices) => Loaders {
  class Lazy {
    readonly slices: Slices
    constructor(slices: Slices) {
      this.slices = slices
    }
  }
  for (const [name, make] of Object.entries(makersOf(ledger))) {
    Object.defineProperty(Lazy.prototype, name, {
      get(this: Lazy & Loaders) {
        const batchScheduleFn = (dispatch: () => void) => this.slices.afterwards(dispatch)
        const value = make({ loaders: this, fresh: { cache: false, batchScheduleFn } })
        Object.defineProperty(this, name, { value })
        return value
      },
    })
  }
  // It has all of them by now: the compiler does not see getters that are defined by name.
  return Lazy as unknown as new (
    slices: Slices,
  ) => Loaders
}
