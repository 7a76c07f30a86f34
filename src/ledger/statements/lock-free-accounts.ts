import { sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'
import type { AccountStatus } from '../model/account.ts'

/**
 * Locks the accounts that nobody else has locked, without waiting. Returns the ids that exist, and the status and currency
 * of those that are locked now; null: something else has the lock.
 *
 * They are read from the locked side: `account` is of the statement's snapshot, which may be of before a change.
 */
export const lockFreeAccounts = preparedOnce((database) =>
  database
    .select({
      id: sql<AccountId>`account.id`.as('id'),
      status: sql<AccountStatus | null>`free.status`.as('status'),
      currency: sql<string | null>`free.currency`.as('currency'),
    })
    .from(
      sql`(
        select id, status, currency from public.accounts where id = any(${sql.placeholder('ids')}::uuid[])
        order by id for no key update skip locked
      ) free
      right join public.accounts account on account.id = free.id`,
    )
    .where(sql`account.id = any(${sql.placeholder('ids')}::uuid[])`)
    .prepare('lock_free_accounts'),
)
