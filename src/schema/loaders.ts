import DataLoader from 'dataloader'
import type { BalanceBucket, HistoryRequest } from '../ledger/balance-history.ts'
import type { AccountBalance } from '../ledger/balances.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { countMatches, type EntryList, loadMatches, type MatchRequest } from '../ledger/entry-matches.ts'
import { type FailedTransaction, findFailedTransactions } from '../ledger/failed-transactions.ts'
import type { FilteredPage } from '../ledger/filtered-page.ts'
import { type EntryRange, loadEntries } from '../ledger/history.ts'
import { findTransactions, findTransactionsByKey } from '../ledger/journal.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { AccountMoment } from '../ledger/settling.ts'
import type { LedgerTransaction } from '../ledger/transaction.ts'
import type { User, UserKey } from '../ledger/users.ts'

/**
 * What one operation reads, gathered so that equal questions of a level are one statement. Only users are kept for the
 * operation: mutations run one after another and must see each other's balances and entries.
 */
export interface Loaders {
  lookups: DataLoader<UserKey, User | undefined>
  users: DataLoader<string, User | undefined>
  usersByEmail: DataLoader<string, User | undefined>
  transactions: DataLoader<string, LedgerTransaction | undefined>
  transactionsByKey: DataLoader<string, LedgerTransaction | undefined>
  failedTransactions: DataLoader<string, FailedTransaction | undefined>
  balances: DataLoader<string, AccountBalance>
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

/** What makes each loader, for one ledger. */
function makersOf({ database, findUsers, balances, histories, filterScanMax, noteStretch }: Ledger) {
  const fresh = { cache: false }
  return {
    // Whether they are known by id or by e-mail, users of a level come from one statement, at one time: what is then asked of
    // them (their balances, which have to add up) is gathered together too.
    lookups: () => new DataLoader<UserKey, User | undefined>((keys) => findUsers(keys), fresh),
    users: ({ lookups }) => new DataLoader((ids) => Promise.all(ids.map((id) => lookups.load({ id })))),
    usersByEmail: ({ lookups }) =>
      new DataLoader((emails) => Promise.all(emails.map((email) => lookups.load({ email }))), fresh),
    transactions: () => new DataLoader((ids) => findTransactions(database, ids), fresh),
    transactionsByKey: () => new DataLoader((keys) => findTransactionsByKey(database, keys), fresh),
    failedTransactions: () => new DataLoader((ids) => findFailedTransactions(database, ids), fresh),
    balances: () => new DataLoader((ids) => balances.current(ids), fresh),
    balancesAsOf: () => new DataLoader<AccountMoment, AccountBalance>((moments) => balances.asOf(moments), fresh),
    histories: () => new DataLoader<HistoryRequest, BalanceBucket[]>((requests) => histories.load(requests), fresh),
    positions: () => new DataLoader((moments) => balances.positionsAt(moments), fresh),
    entries: () => new DataLoader((ranges) => loadEntries(database, ranges, noteStretch), fresh),
    matches: () => new DataLoader((requests) => loadMatches(database, requests, filterScanMax, noteStretch), fresh),
    matchCounts: () => new DataLoader((lists) => countMatches(database, lists), fresh),
  } satisfies { [Name in keyof Loaders]: (loaders: Loaders) => Loaders[Name] }
}

/**
 * Loaders by ledger, as a class whose instances make each loader when it is first asked for: an operation uses two or three
 * of them, and there are many operations.
 */
const classes = new WeakMap<Ledger, new () => Loaders>()

export function createLoaders(ledger: Ledger): Loaders {
  let Lazy = classes.get(ledger)
  if (!Lazy) {
    Lazy = class {} as new () => Loaders
    for (const [name, make] of Object.entries(makersOf(ledger))) {
      Object.defineProperty(Lazy.prototype, name, {
        get(this: Loaders) {
          const value = make(this)
          Object.defineProperty(this, name, { value })
          return value
        },
      })
    }
    classes.set(ledger, Lazy)
  }
  return new Lazy()
}
