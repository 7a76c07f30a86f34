import { sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'
import { type Instant, selectInstant } from '../../db/instant.ts'
import { preparedOnce } from '../../db/prepared.ts'
import type { AccountStatus } from '../model/account.ts'
import { accountsOfOwner, heldAccounts } from '../model/accounts-of-owner.ts'

/**
 * A page of the accounts of each owner. Returns the rows of each page, newest first, with the number of the request (from 1)
 * and whether the list has older and newer ones. An empty page has one row without an account.
 *
 * Placeholders: of each request `owners`, `sets`, `sizes`, `afters` and `befores` (ids or null), and `backward` (the page begins
 * with the oldest); `heldSets` and `heldIds`.
 */
export const readPagesOfOwners = preparedOnce((database) =>
  database
    .with(heldAccounts)
    .select({
      request: sql`request.number`.mapWith(Number).as('request'),
      hasNewer: sql<boolean>`coalesce(page.place > 1, exists (
        select from ${accountsOfOwner} a
        where case when backward then before is null or a.id > before else a.id >= after end
      ))`.as('has_newer'),
      hasOlder: sql<boolean>`coalesce(page.place < page.length, exists (
        select from ${accountsOfOwner} a
        where case when backward then a.id <= before else after is null or a.id < after end
      ))`.as('has_older'),
      id: sql<AccountId | null>`page.id`.as('id'),
      ownerId: sql<string>`page.owner_id`.as('owner_id'),
      code: sql<string>`currency.code`.as('code'),
      scale: sql<number>`currency.scale`.as('scale'),
      name: sql<string | null>`page.name`.as('name'),
      publicName: sql<string | null>`page.public_name`.as('public_name'),
      status: sql<AccountStatus>`page.status`.as('status'),
      createdAt: sql<Instant>`${selectInstant(sql`page.created_at`)}`.as('created_at'),
      updatedAt: sql<Instant>`${selectInstant(sql`page.updated_at`)}`.as('updated_at'),
    })
    .from(
      sql`unnest(
        ${sql.placeholder('owners')}::uuid[], ${sql.placeholder('sets')}::int[], ${sql.placeholder('sizes')}::int[],
        ${sql.placeholder('afters')}::uuid[], ${sql.placeholder('befores')}::uuid[], ${sql.placeholder('backward')}::boolean[]
      ) with ordinality as request (owner, set, size, after, before, backward, number)
      left join lateral (
        select * from (
          select *, row_number() over (order by id desc) as place, count(*) over () as length from ${accountsOfOwner} a
        ) b
        where (after is null or id < after) and (before is null or id > before)
        order by case when backward then id end, id desc limit size
      ) page on true
      left join public.currencies currency on currency.code = page.currency`,
    )
    .orderBy(sql`request.number`, sql`page.id desc`)
    .prepare('read_pages_of_owners'),
)
