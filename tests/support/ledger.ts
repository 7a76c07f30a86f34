import { randomUUID } from 'node:crypto'
import { toAmount } from '../../src/db/amount.ts'
import { CONNECTIONS_DEFAULT, shareConnections } from '../../src/db/connection-shares.ts'
import { type AccountId, accountOfUser } from '../../src/db/ids.ts'
import { type Database, databaseOf } from '../../src/db/pool.ts'
import { type Ledger, type LedgerOptions, openLedger } from '../../src/ledger/ledger.ts'
import { openTestDatabase, type TestDatabase } from './database.ts'

export interface TestLedger extends Ledger {
  test: TestDatabase
  /** For statements of the ledger that a test sends by itself. */
  database: Database
  /** Faults the engine reported. */
  errors: unknown[]
}

/** The ledger without GraphQL, on a database of its own; `close` drops it. */
export async function openTestLedger(options: Partial<LedgerOptions> = {}): Promise<TestLedger> {
  const test = await openTestDatabase()
  const errors: unknown[] = []
  const ledger = await openLedger({
    url: test.url,
    directUrl: test.url,
    connections: shareConnections(CONNECTIONS_DEFAULT),
    preparedStatements: true,
    operationDeadlineMs: 60_000,
    clockAheadMaxMs: 5_000,
    batchSizeMax: 256,
    queueLengthMax: 10_000,
    batchLockWaitMs: 100,
    filterScanMax: 10_000,
    failedTransactionsPerHourMax: 1_000_000,
    onError: (error) => errors.push(error),
    ...options,
  })
  return {
    ...ledger,
    test,
    database: databaseOf(test.pool),
    errors,
    async close() {
      await ledger.close()
      await test.close()
    },
  }
}

/** A few ids, each by itself. */
interface Few {
  1: [AccountId]
  2: [AccountId, AccountId]
  3: [AccountId, AccountId, AccountId]
  4: [AccountId, AccountId, AccountId, AccountId]
}

export interface MixedAccount {
  id: AccountId
  currency: string
}

/** What each of these accounts is in. */
export function currenciesOf(accounts: readonly MixedAccount[]): (id: AccountId) => string | undefined {
  const currencies = new Map(accounts.map(({ id, currency }) => [id, currency]))
  return (id) => currencies.get(id)
}

/** The empty accounts of two users with several each, and of the house, in two currencies: four in USD and three in EUR. */
export async function makeMixedAccounts(ledger: Ledger): Promise<MixedAccount[]> {
  const [ada, bert] = await Promise.all(
    ['USD', 'EUR'].map(async (currency) => {
      const email = `${randomUUID()}@example.com`
      const user = await ledger.users.create({ email, passwordHash: null, role: 'USER', currency })
      return { id: accountOfUser((user as { id: string }).id), currency }
    }),
  )
  const others = [
    { owner: ada, currency: 'USD' },
    { owner: bert, currency: 'USD' },
    { owner: ada, currency: 'EUR' },
    { owner: null, currency: 'USD' },
    { owner: null, currency: 'EUR' },
  ].map(async ({ owner, currency }) => {
    const made = { idempotencyKey: randomUUID(), ownerId: owner?.id ?? null, currency, name: null }
    const created = await ledger.accounts.create(made)
    if ('refusal' in created) throw new Error(created.refusal)
    return { id: created.account.id, currency }
  })
  return [ada as MixedAccount, bert as MixedAccount, ...(await Promise.all(others))]
}

/** Makes users; with `deposit`, each has that many cents. Returns the ids of their accounts. */
export async function makeAccounts<Count extends number>(
  ledger: Ledger,
  count: Count,
  deposit?: bigint,
): Promise<Count extends keyof Few ? Few[Count] : AccountId[]>
export async function makeAccounts(ledger: Ledger, count: number, deposit = 0n): Promise<AccountId[]> {
  const ids: AccountId[] = []
  for (let index = 0; index < count; index++) {
    const user = await ledger.users.create({
      email: `${randomUUID()}@example.com`,
      passwordHash: null,
      role: 'USER',
    })
    ids.push(accountOfUser((user as { id: string }).id))
  }
  if (deposit > 0n) {
    await Promise.all(
      ids.map((id) =>
        ledger.posting.post({
          idempotencyKey: randomUUID(),
          sourceAccountId: null,
          destinationAccountId: id,
          amount: toAmount(deposit),
        }),
      ),
    )
  }
  return ids
}
