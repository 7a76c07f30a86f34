/** What is made through the API before a suite starts. */
export interface Preparation {
  /** How many accounts, unless `USERS` says otherwise. */
  users: number
  /** What each starts with, in cents; 0: nothing, and no entry. */
  deposit: number
  /** How many transactions some of them have after that, by lot from the first number to the second. */
  transactions?: readonly [min: number, max: number]
  /** Which share of the accounts has those: the last ones. */
  busyShare?: number
}

export const SUITES: Readonly<Record<string, Preparation>> = {
  stress: { users: 10_000, deposit: 100_000 },
  'hot-account': { users: 100, deposit: 10_000_000_000 },
  balances: { users: 1_000, deposit: 100_000, transactions: [10, 100], busyShare: 0.5 },
  history: { users: 20, deposit: 1_000_000, transactions: [500, 1_500], busyShare: 1 },
  subscriptions: { users: 1_000, deposit: 0 },
  mixed: { users: 1_000, deposit: 100_000 },
  smoke: { users: 20, deposit: 100_000, transactions: [120, 150], busyShare: 0.5 },
}
