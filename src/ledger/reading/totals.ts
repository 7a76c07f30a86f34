import { sql } from 'drizzle-orm'
import type { Database } from '../../db/pool.ts'
import type { LedgerTotals } from '../model/totals.ts'

/** Reads everything: for operators and checks, not for every request. */
export async function loadTotals(database: Database): Promise<LedgerTotals> {
  const { rows } = await database.execute<Record<keyof LedgerTotals, string>>(sql`
    select ledger.transaction_count as "transactionCount", ledger.deposited, accounts.user_count as "userCount", accounts.balances
    from (
      select count(*) as transaction_count, coalesce(sum(amount) filter (where source_user_id is null), 0) as deposited
      from public.transactions
    ) ledger
    cross join (
      select count(*) as user_count, coalesce(sum(public.get_current_balance(users.id)::numeric), 0) as balances from public.users
    ) accounts`)
  const [totals] = rows as [Record<keyof LedgerTotals, string>]
  return {
    userCount: Number(totals.userCount),
    transactionCount: Number(totals.transactionCount),
    deposited: BigInt(totals.deposited),
    balances: BigInt(totals.balances),
  }
}
