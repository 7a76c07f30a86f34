import { sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'

/**
 * Locks the accounts that nobody else has locked, without waiting. Returns the ids that exist, and whether each is locked
 * now.
 */
export const lockFreeAccounts = preparedOnce((database) =>
  database
    .select({ id: sql<AccountId>`account.id`.as('id'), isLocked: sql<boolean>`free.id is not null`.as('is_locked') })
    .from(
      sql`(
        select id from public.users where id = any(${sql.placeholder('ids')}::uuid[]) order by id for no key update skip locked
      ) free
      right join public.users account on account.id = free.id`,
    )
    .where(sql`account.id = any(${sql.placeholder('ids')}::uuid[])`)
    .prepare('lock_free_accounts'),
)
