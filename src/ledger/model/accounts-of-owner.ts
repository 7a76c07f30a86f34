import { sql } from 'drizzle-orm'
import { QueryBuilder } from 'drizzle-orm/pg-core'
import type { AccountId } from '../../db/ids.ts'
import type { AccountsOfOwner, AccountsOfOwnerPage } from './account-list.ts'

/* Parts of the statements that read the accounts of many owners. */

/** Sets of accounts, numbered from 1: `held (set, id)`. */
export const heldAccounts = new QueryBuilder()
  .$with('held', {})
  .as(
    sql`select * from unnest(${sql.placeholder('heldSets')}::int[], ${sql.placeholder('heldIds')}::uuid[]) h (set, id)`,
  )

/**
 * The accounts that a `request` with an `owner` and perhaps a `set` of `held` is for. The sets are looked up in a hash table:
 * an array would be searched from its start for each account of each owner.
 */
export const accountsOfOwner = sql`(
  select * from public.accounts
  where owner_id = request.owner
    and (request.set is null or (request.set, accounts.id) in (select held.set, held.id from held))
)`

/** Numbers the sets of accounts that requests are for, from 1, as they come. */
function setNumbers() {
  const numbers = new Map<ReadonlySet<AccountId>, number>()
  const numberOf = (held: ReadonlySet<AccountId> | null): number | null => {
    if (held === null) return null
    const number = numbers.get(held) ?? numbers.size + 1
    numbers.set(held, number)
    return number
  }
  return { numbers, numberOf }
}

/**
 * The requests without repetitions, and the place among them of each. A list of accounts asks for its one owner as many times
 * as it is long.
 */
export function distinctRequests<Request extends AccountsOfOwner & Partial<AccountsOfOwnerPage>>(
  requests: readonly Request[],
): { distinct: Request[]; places: number[] } {
  const { numberOf } = setNumbers()
  const distinct: Request[] = []
  const placeByKey = new Map<string, number>()
  const places = requests.map((each) => {
    const key = JSON.stringify([each.ownerId, numberOf(each.held), each.request])
    const place = placeByKey.get(key) ?? distinct.push(each) - 1
    placeByKey.set(key, place)
    return place
  })
  return { distinct, places }
}

/** Their parameters. A set that several requests share is sent once. */
export function ownersAndSets(requests: readonly AccountsOfOwner[]) {
  const { numbers, numberOf } = setNumbers()
  const sets = requests.map(({ held }) => numberOf(held))
  const held = [...numbers].flatMap(([ids, set]) => [...ids].map((id) => ({ set, id })))
  return {
    owners: requests.map(({ ownerId }) => ownerId),
    sets,
    heldSets: held.map(({ set }) => set),
    heldIds: held.map(({ id }) => id),
  }
}
