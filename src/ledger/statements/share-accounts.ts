import { asc, sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { users } from '../../db/tables.ts'

/** Waits until nobody posts to these accounts, lowest id first. A last resort for reads, since it delays postings. */
export const shareAccounts = preparedOnce((database) =>
  database
    .select({ id: users.id })
    .from(users)
    .where(sql`${users.id} = any(${sql.placeholder('ids')}::uuid[])`)
    .orderBy(asc(users.id))
    .for('share')
    .prepare('share_accounts'),
)
