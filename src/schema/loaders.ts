import DataLoader from 'dataloader'
import type { AccountBalance, BalanceRequest } from '../ledger/balances.ts'
import type { LedgerEntry } from '../ledger/entry.ts'
import { type FailedTransaction, findFailedTransactions } from '../ledger/failed-transactions.ts'
import { type EntryRange, loadEntries } from '../ledger/history.ts'
import { findTransactions, findTransactionsByKey } from '../ledger/journal.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { LedgerTransaction } from '../ledger/transaction.ts'
import { findUsersByKey, type User, type UserKey } from '../ledger/users.ts'

/**
 * What one operation reads, gathered so that equal questions of a level are one statement. Only users are kept for the
 * operation: mutations run one after another and must see each other's balances and entries.
 */
export interface Loaders {
  users: DataLoader<string, User | undefined>
  usersByEmail: DataLoader<string, User | undefined>
  transactions: DataLoader<string, LedgerTransaction | undefined>
  transactionsByKey: DataLoader<string, LedgerTransaction | undefined>
  failedTransactions: DataLoader<string, FailedTransaction | undefined>
  balances: DataLoader<string, AccountBalance>
  /** Rejects with a FutureMomentError. */
  balancesAsOf: DataLoader<BalanceRequest, AccountBalance>
  entries: DataLoader<EntryRange, LedgerEntry[]>
}

export function createLoaders({ database, balances }: Ledger): Loaders {
  const fresh = { cache: false }
  // Whether they are known by id or by e-mail, users of a level come from one statement, at one time: what is then asked of
  // them (their balances, which have to add up) is gathered together too.
  const lookups = new DataLoader<UserKey, User | undefined>((keys) => findUsersByKey(database, keys), fresh)
  return {
    users: new DataLoader((ids) => Promise.all(ids.map((id) => lookups.load({ id })))),
    usersByEmail: new DataLoader((emails) => Promise.all(emails.map((email) => lookups.load({ email }))), fresh),
    transactions: new DataLoader((ids) => findTransactions(database, ids), fresh),
    transactionsByKey: new DataLoader((keys) => findTransactionsByKey(database, keys), fresh),
    failedTransactions: new DataLoader((ids) => findFailedTransactions(database, ids), fresh),
    balances: new DataLoader((ids) => balances.current(ids), fresh),
    balancesAsOf: new DataLoader<BalanceRequest, AccountBalance>((requests) => balances.asOf(requests), fresh),
    entries: new DataLoader((ranges) => loadEntries(database, ranges), fresh),
  }
}
