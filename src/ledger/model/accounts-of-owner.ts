import { sql } from 'drizzle-orm'
import type { AccountId } from '../../db/ids.ts'
import type { AccountsOfOwner } from './account-list.ts'

/* Parts of the statements that read the accounts of many owners. */

/** `held (set, ids)`: sets of accounts, numbered from 1. */
export const heldSets = sql`(
  select set, ids::uuid[] as ids from unnest(${sql.placeholder('heldSets')}::text[]) with ordinality as listed (ids, set)
) held`

/** The accounts that a `request` with an `owner` and perhaps a `set` of `held` is for. */
export const accountsOfOwner = sql`(
  select * from public.accounts
  where owner_id = request.owner and (request.set is null or accounts.id = any(held.ids))
)`

/** Their parameters. A set that several requests share is sent once. */
export function ownersAndSets(requests: readonly AccountsOfOwner[]) {
  const numbers = new Map<ReadonlySet<AccountId>, number>()
  const sets = requests.map(({ held }) => {
    if (held === null) return null
    const number = numbers.get(held) ?? numbers.size + 1
    numbers.set(held, number)
    return number
  })
  return {
    owners: requests.map(({ ownerId }) => ownerId),
    sets,
    heldSets: [...numbers.keys()].map((ids) => `{${[...ids].join(',')}}`),
  }
}
