import { sql } from 'drizzle-orm'
import { preparedOnce } from '../../db/prepared.ts'
import { filterColumns, filterNames, matchingEntries } from '../model/entry-filter.ts'

/** How many of entries `low` … `high` of each requested account match, in the order of the requests. */
export const readMatchCounts = preparedOnce((database) =>
  database
    .select({
      count: sql`(select count(*) from (${matchingEntries(sql`request.low`, sql`request.high`)}) entry)`
        .mapWith(Number)
        .as('count'),
    })
    .from(
      sql`unnest(${filterColumns}, ${sql.placeholder('lows')}::bigint[], ${sql.placeholder('highs')}::bigint[])
        with ordinality as request (${filterNames}, low, high, position)`,
    )
    .orderBy(sql`request.position`)
    .prepare('read_match_counts'),
)
