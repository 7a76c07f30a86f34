import { asc, sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { users } from '../../db/tables.ts'

/**
 * Locks the accounts of a batch, lowest id first. Every poster locks in this order, so there are no deadlocks. NO KEY
 * UPDATE does not block the checks of foreign keys. Returns the ids that exist.
 */
export const lockAccounts = preparedOnce((database) =>
  database
    .select({ id: users.id })
    .from(users)
    .where(sql`${users.id} = any(${sql.placeholder('ids')}::uuid[])`)
    .orderBy(asc(users.id))
    .for('no key update')
    .prepare('lock_accounts'),
)
