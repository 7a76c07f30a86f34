import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { accountsOfOwner, heldSets } from '../model/accounts-of-owner.ts'

/** How many accounts each owner has, in the order of the requests. Placeholders: `owners` and `sets` of each, and `heldSets`. */
export const readAccountCounts = preparedOnce((database) =>
  database
    .select({ count: sql`(select count(*) from ${accountsOfOwner} a)`.mapWith(Number).as('count') })
    .from(
      sql`unnest(${sql.placeholder('owners')}::uuid[], ${sql.placeholder('sets')}::int[])
      with ordinality as request (owner, set, number)
      left join ${heldSets} using (set)`,
    )
    .orderBy(sql`request.number`)
    .prepare('read_account_counts'),
)
