import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import type { Database } from '../../db/pool.ts'
import { isDeposit } from '../model/sides.ts'
import type { LedgerTotals } from '../model/totals.ts'

/** Reads everything: for operators and checks, not for every request. */
export async function loadTotals(database: Database): Promise<LedgerTotals> {
  const { rows } = await database.execute<Record<keyof LedgerTotals, string>>(sql`
    select ledger.transaction_count as "transactionCount", ledger.deposited, accounts.account_count as "accountCount", accounts.balances
    from (
      select count(*) as transaction_count, coalesce(sum(amount) filter (where ${isDeposit}), 0) as deposited
      from public.transactions
    ) ledger
    cross join (
      select count(*) as account_count, coalesce(sum(public.get_current_balance(users.id)::numeric), 0) as balances from public.users
    ) accounts`)
  const [totals] = rows as [Record<keyof LedgerTotals, string>]
  return {
    accountCount: Number(totals.accountCount),
    transactionCount: Number(totals.transactionCount),
    deposited: readAmount(totals.deposited),
    balances: readAmount(totals.balances),
  }
}
