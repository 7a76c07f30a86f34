import { toAmount } from '../db/amount.ts'
import { type AccountId, accountOfUser } from '../db/ids.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { PostingRequest } from '../ledger/model/posting.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'

/*
 * Demo data for an empty development database, so that the first query has something to show. The idempotency keys are fixed:
 * several servers that load it at once load it once.
 */

const PEOPLE = ['ada', 'grace', 'linus', 'mary'] as const
type Person = (typeof PEOPLE)[number]

/** Besides the main accounts: one of the house, for fees, and Ada's in a second currency. */
const FURTHER = ['fees', 'travel'] as const
type Name = Person | (typeof FURTHER)[number]

/** What a transaction is for, and the number of the one that it takes back, counted from 1. */
type Words = Pick<PostingRequest, 'description' | 'metadata'> & { reverses?: number }

/** Source, destination, amount in minor units. */
const TRANSACTIONS: readonly [Name | null, Name | null, bigint, Words?][] = [
  [null, 'ada', 250_000n],
  [null, 'grace', 180_000n],
  ['ada', 'linus', 42_50n, { description: 'Groceries' }],
  ['grace', 'ada', 120_00n, { description: 'Dinner for four' }],
  ['linus', 'mary', 12_25n],
  [null, 'mary', 75_000n],
  ['mary', 'ada', 310_00n, { description: 'Concert tickets', metadata: { order: '1204' } }],
  ['ada', 'grace', 99_95n, { description: 'Jacket', metadata: { order: '1205', shop: 'north' } }],
  ['grace', 'linus', 15_00n, { description: 'Book', metadata: { order: '1206', shop: 'south' } }],
  ['ada', 'mary', 1_000_00n, { description: 'Rent' }],
  ['mary', 'fees', 2_90n, { description: 'Fee for the rent' }],
  [null, 'travel', 60_000n],
  ['mary', null, 200_00n, { description: 'Payout to the bank', metadata: { payout: '17' } }],
  ['linus', 'grace', 15_00n, { description: 'Book returned', reverses: 9 }],
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
  const posted: LedgerTransaction[] = []
  for (const [index, [source, destination, amount, words]] of TRANSACTIONS.entries()) {
    const outcome = await ledger.posting.post({
      ...words,
      idempotencyKey: keyOf(index + 1),
      sourceAccountId: source && accounts[source],
      destinationAccountId: destination && accounts[destination],
      amount: toAmount(amount),
      reverses: words?.reverses === undefined ? null : posted[words.reverses - 1],
    })
    if ('refusal' in outcome)
      throw new Error(`transaction ${index + 1} of the demo data was refused: ${outcome.refusal.code}`)
    posted.push(outcome.posted.transaction)
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
