import { sql } from 'drizzle-orm'
import { LRUCache } from 'lru-cache'
import type { AccountId } from '../db/ids.ts'
import type { Database } from '../db/pool.ts'
import { preparedOnce } from '../db/prepared.ts'
import { accounts } from '../db/tables.ts'

/** How many users are remembered. */
const USERS_MAX = 10_000

const readOwned = preparedOnce((database) =>
  database
    .select({ ownerId: accounts.ownerId, ids: sql<AccountId[]>`array_agg(${accounts.id})`.as('ids') })
    .from(accounts)
    .where(sql`${accounts.ownerId} = any(${sql.placeholder('owners')}::uuid[])`)
    .groupBy(accounts.ownerId)
    .prepare('read_owned'),
)

/**
 * Which accounts users own. Each session is read every few hundred milliseconds, and a user may have a hundred sessions and a
 * thousand accounts. So the ids are read once for all sessions of a user, and again when the user has more accounts than that.
 * There are never fewer, since accounts do not change their owner.
 */
export class OwnedAccounts {
  readonly #database: Database
  readonly #known = new LRUCache<string, ReadonlySet<AccountId>>({ max: USERS_MAX })

  constructor(database: Database) {
    this.#database = database
  }

  /** By user. @param users with how many accounts they own. */
  async find(
    users: readonly { userId: string; accountCount: number }[],
  ): Promise<ReadonlyMap<string, ReadonlySet<AccountId>>> {
    const found = new Map<string, ReadonlySet<AccountId>>()
    const owners = new Set<string>()
    for (const { userId, accountCount } of users) {
      const known = this.#known.get(userId)
      if (known?.size === accountCount) found.set(userId, known)
      else if (accountCount > 0) owners.add(userId)
    }
    if (owners.size === 0) return found
    for (const { ownerId, ids } of await readOwned(this.#database).execute({ owners: [...owners] })) {
      if (ownerId === null) continue
      const owned = new Set(ids)
      this.#known.set(ownerId, owned)
      found.set(ownerId, owned)
    }
    return found
  }
}
