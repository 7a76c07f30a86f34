import { toAmount } from '../db/amount.ts'
import { type AccountId, accountOfUser } from '../db/ids.ts'
import type { Ledger } from '../ledger/ledger.ts'

/*
 * Demo data for an empty development database, so that the first query has something to show. The idempotency keys are fixed:
 * several servers that load it at once load it once.
 */

const PEOPLE = ['ada', 'grace', 'linus', 'mary'] as const
type Person = (typeof PEOPLE)[number]

/** Besides the main accounts: one of the house, for fees, and Ada's in a second currency. */
const FURTHER = ['fees', 'travel'] as const
type Name = Person | (typeof FURTHER)[number]

/** Source, destination, amount in minor units. */
const TRANSACTIONS: readonly [Name | null, Name, bigint][] = [
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
  ['mary', 'fees', 2_90n],
  [null, 'travel', 60_000n],
]

const keyOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`

/** @returns whether it was loaded: only into a ledger without users. */
export async function loadDemoData(ledger: Ledger): Promise<boolean> {
  if ((await ledger.users.count()) > 0) return false
  const emails = PEOPLE.map((person) => `${person}@example.com`)
  for (const email of emails) await ledger.users.create({ email, passwordHash: null, role: 'USER' })
  const users = await ledger.users.find(emails.map((email) => ({ email })))
  const main = (person: Person) => accountOfUser(users[PEOPLE.indexOf(person)]?.id as string)
  const accounts: Readonly<Record<Name, AccountId>> = {
    ada: main('ada'),
    grace: main('grace'),
    linus: main('linus'),
    mary: main('mary'),
    fees: await createAccount(ledger, 101, null, ledger.currency, 'Fees'),
    travel: await createAccount(ledger, 102, main('ada'), ledger.currency === 'EUR' ? 'USD' : 'EUR', 'Travel'),
  }
  await ledger.accounts.update(accounts.fees, { publicName: 'Fees' })
  for (const [index, [source, destination, amount]] of TRANSACTIONS.entries()) {
    await ledger.posting.post({
      idempotencyKey: keyOf(index + 1),
      sourceAccountId: source && accounts[source],
      destinationAccountId: accounts[destination],
      amount: toAmount(amount),
    })
  }
  return true
}

async function createAccount(
  ledger: Ledger,
  number: number,
  ownerId: string | null,
  currency: string,
  name: string,
): Promise<AccountId> {
  const created = await ledger.accounts.create({ idempotencyKey: keyOf(number), ownerId, currency, name })
  if ('account' in created) return created.account.id
  throw new Error(`the account ${name} of the demo data was refused: ${created.refusal}`)
}
