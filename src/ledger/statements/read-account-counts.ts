import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { accountsOfOwner, heldAccounts } from '../model/accounts-of-owner.ts'

/** How many accounts each owner has, in the order of the requests. Placeholders: `owners` and `sets` of each, `heldSets` and `heldIds`. */
export const readAccountCounts = preparedOnce((database) =>
  database
    .with(heldAccounts)
    .select({ count: sql`(select count(*) from ${accountsOfOwner} a)`.mapWith(Number).as('count') })
    .from(
      sql`unnest(${sql.placeholder('owners')}::uuid[], ${sql.placeholder('sets')}::int[])
      with ordinality as request (owner, set, number)`,
    )
    .orderBy(sql`request.number`)
    .prepare('read_account_counts'),
)
