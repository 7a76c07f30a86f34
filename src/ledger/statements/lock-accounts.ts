import { asc, sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { accounts } from '../../db/tables.ts'

/**
 * Locks the accounts of a batch, lowest id first. Every poster locks in this order, so there are no deadlocks. NO KEY
 * UPDATE does not block the checks of foreign keys. Returns those that exist, as they are once they are locked.
 */
export const lockAccounts = preparedOnce((database) =>
  database
    .select({ id: accounts.id, status: accounts.status, currency: accounts.currency })
    .from(accounts)
    .where(sql`${accounts.id} = any(${sql.placeholder('ids')}::uuid[])`)
    .orderBy(asc(accounts.id))
    .for('no key update')
    .prepare('lock_accounts'),
)
