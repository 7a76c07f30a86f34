import { asc, sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { accounts } from '../../db/tables.ts'

/** Waits until nobody posts to these accounts, lowest id first. A last resort for reads, since it delays postings. */
export const shareAccounts = preparedOnce((database) =>
  database
    .select({ id: accounts.id })
    .from(accounts)
    .where(sql`${accounts.id} = any(${sql.placeholder('ids')}::uuid[])`)
    .orderBy(asc(accounts.id))
    .for('share')
    .prepare('share_accounts'),
)
