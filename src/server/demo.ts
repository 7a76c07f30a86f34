import { toAmount } from '../db/amount.ts'
import { accountOfUser } from '../db/ids.ts'
import type { Ledger } from '../ledger/ledger.ts'

/*
 * Demo data for an empty development database, so that the first query has something to show. The idempotency keys are fixed:
 * several servers that load it at once load it once.
 */

const PEOPLE = ['ada', 'grace', 'linus', 'mary'] as const
type Person = (typeof PEOPLE)[number]

/** Source, destination, amount in cents. */
const TRANSACTIONS: readonly [Person | null, Person, bigint][] = [
  [null, 'ada', 250_000n],
  [null, 'grace', 180_000n],
  ['ada', 'linus', 42_50n],
  ['grace', 'ada', 120_00n],
  ['linus', 'mary', 12_25n],
  [null, 'mary', 75_000n],
  ['mary', 'ada', 310_00n],
  ['ada', 'grace', 99_95n],
  ['grace', 'linus', 15_00n],
  ['ada', 'mary', 1_000_00n],
]

/** @returns whether it was loaded: only into a ledger without users. */
export async function loadDemoData(ledger: Ledger): Promise<boolean> {
  if ((await ledger.users.count()) > 0) return false
  const emails = PEOPLE.map((person) => `${person}@example.com`)
  for (const email of emails) await ledger.users.create({ email, passwordHash: null, role: 'USER' })
  const users = await ledger.users.find(emails.map((email) => ({ email })))
  const accountOf = (person: Person) => accountOfUser(users[PEOPLE.indexOf(person)]?.id as string)
  for (const [index, [source, destination, amount]] of TRANSACTIONS.entries()) {
    await ledger.posting.post({
      idempotencyKey: `00000000-0000-4000-8000-${String(index + 1).padStart(12, '0')}`,
      sourceAccountId: source && accountOf(source),
      destinationAccountId: accountOf(destination),
      amount: toAmount(amount),
    })
  }
  return true
}
