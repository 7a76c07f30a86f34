import { check } from 'k6'
import { type Account, accounts, anyAccount } from './accounts.ts'
import { ask } from './ledger-api.ts'

/** How many ids `balances` takes. */
const ACCOUNT_IDS_MAX = 100

export interface Balance {
  amount: string
  asOf: string | null
  sequence: number
  cursor: string
}

/** Asks in one operation, whose fields of one level the server reads in one statement: together they add up. */
export function askBalances(
  operation: string,
  of: readonly Account[],
  asOf: string | null = null,
): Balance[] | undefined {
  const names = Array.from({ length: Math.ceil(of.length / ACCOUNT_IDS_MAX) }, (_, index) => `ids${index}`)
  const query = `query Balances($asOf: DateTime ${names.map((name) => `$${name}: [ID!]!`).join(' ')}) {
    ${names.map((name) => `${name}: balances(accountIds: $${name}, asOf: $asOf) { amount asOf sequence cursor }`).join('\n')}
  }`
  const ids = of.map(({ id }) => id)
  const lists = names.map((name, index) => [name, ids.slice(index * ACCOUNT_IDS_MAX, (index + 1) * ACCOUNT_IDS_MAX)])
  const data = ask(operation, query, { asOf, ...Object.fromEntries(lists) })
  return data && names.flatMap((name) => data[name])
}

/** The balance of one account that nobody posts to, beside what its postings came to. */
export function checkKnownBalance(operation: string, account: Account): void {
  const balance = askBalances(operation, [account])?.[0]
  check(balance, {
    'a balance is the sum of its account': (answer) =>
      answer?.amount === String(account.balance) && answer.sequence === account.entries,
  })
}

/** A balance, and the same again as of its own moment, while others post. */
export function checkPastBalance(): void {
  const account = anyAccount()
  const now = askBalances('balances', [account])?.[0]
  if (!now?.asOf) return
  const then = askBalances('balances', [account], now.asOf)?.[0]
  check(then, {
    'the past does not move': (answer) => answer?.amount === now.amount && answer.sequence === now.sequence,
  })
}

/** All balances at once, of accounts that deal only with each other: money between them is nowhere else. */
export function checkTotal(): void {
  const balances = askBalances('balances', accounts)
  const total = accounts.reduce((sum, { balance }) => sum + balance, 0)
  check(balances, {
    'balances asked together add up': (all) => all?.reduce((sum, { amount }) => sum + Number(amount), 0) === total,
  })
}
