import { eq, sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { accounts, currencies } from '../../db/tables.ts'
import { accountColumns } from '../model/account.ts'

/** The accounts that have any of these ids. */
export const readAccounts = preparedOnce((database) =>
  database
    .select(accountColumns)
    .from(accounts)
    .innerJoin(currencies, eq(currencies.code, accounts.currency))
    .where(sql`${accounts.id} = any(${sql.placeholder('ids')}::uuid[])`)
    .prepare('read_accounts'),
)
