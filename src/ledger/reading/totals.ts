import { sql } from 'drizzle-orm'
import { readAmount } from '../../db/amount.ts'
import type { Database } from '../../db/pool.ts'
import { isWithOutside } from '../model/sides.ts'
import type { LedgerTotals } from '../model/totals.ts'

/** One of each currency, and their counts. A ledger without accounts has a row without a currency. */
interface Row extends Record<string, unknown> {
  userCount: string
  transactionCount: string
  accountCount: string | null
  code: string | null
  scale: number | null
  deposited: string | null
  withdrawn: string | null
  balances: string | null
}

/** Reads everything: for operators and checks, not for every request. One statement, so all is of one moment. */
export async function loadTotals(database: Database): Promise<LedgerTotals> {
  const { rows } = await database.execute<Row>(sql`
    select counts.*, sums.*
    from (
      select (select count(*) from public.users) as "userCount", (select count(*) from public.transactions) as "transactionCount"
    ) counts
    left join (
      select code, scale, "accountCount", balances, coalesce(deposited, 0) as deposited, coalesce(withdrawn, 0) as withdrawn
      from (
        select currency, count(*) as "accountCount", sum(public.get_current_balance(id)::numeric) as balances
        from public.accounts group by currency
      ) held
      join public.currencies on code = held.currency
      left join (
        select currency, sum(amount) filter (where source_account_id is null) as deposited,
          sum(amount) filter (where destination_account_id is null) as withdrawn
        from public.transactions join public.accounts on accounts.id = coalesce(destination_account_id, source_account_id)
        where ${isWithOutside} group by currency
      ) moved on moved.currency = code
    ) sums on true
    order by code`)
  return {
    userCount: Number(rows[0]?.userCount),
    transactionCount: Number(rows[0]?.transactionCount),
    accountCount: rows.reduce((sum, { accountCount }) => sum + Number(accountCount), 0),
    currencies: rows.flatMap(({ code, scale, deposited, withdrawn, balances }) =>
      code === null || scale === null || deposited === null || withdrawn === null || balances === null
        ? []
        : [
            {
              currency: { code, scale },
              deposited: readAmount(deposited),
              withdrawn: readAmount(withdrawn),
              balances: readAmount(balances),
            },
          ],
    ),
  }
}
