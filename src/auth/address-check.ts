import { asc, gt, inArray } from 'drizzle-orm'
import type { Database } from '../db/pool.ts'
import { users } from '../db/tables.ts'
import type { AddressFinding } from './model/address-finding.ts'
import { canonicalEmail } from './model/email.ts'

const USERS_AT_ONCE = 5_000

/**
 * Finds users whose addresses are not in their canonical form: an earlier version stored them, or somebody by hand. It does
 * not change them, since only a person can decide which of two users keeps an address.
 */
export async function checkAddresses(database: Database): Promise<AddressFinding[]> {
  const misspelt: { userId: string; canonical: string | null }[] = []
  let last: string | undefined
  for (;;) {
    const rows = await database
      .select({ id: users.id, email: users.email })
      .from(users)
      .where(last === undefined ? undefined : gt(users.id, last))
      .orderBy(asc(users.id))
      .limit(USERS_AT_ONCE)
    for (const { id, email } of rows) {
      const canonical = canonicalEmail(email) ?? null
      if (canonical !== email) misspelt.push({ userId: id, canonical })
    }
    last = rows.at(-1)?.id
    if (rows.length < USERS_AT_ONCE) break
  }
  const holders = await holdersOf(database, misspelt)
  return misspelt.map(({ userId, canonical }) => {
    const sharing = canonical === null ? [] : (holders.get(canonical) ?? [])
    return { userId, canonical, sharedWith: sharing.filter((id) => id !== userId) }
  })
}

/** All users whose address has one of these canonical forms, in whatever form it is stored. */
async function holdersOf(
  database: Database,
  misspelt: readonly { userId: string; canonical: string | null }[],
): Promise<Map<string, string[]>> {
  const holders = new Map<string, string[]>()
  const add = (canonical: string, userId: string) => holders.set(canonical, [...(holders.get(canonical) ?? []), userId])
  for (const { userId, canonical } of misspelt) if (canonical !== null) add(canonical, userId)
  const canonicals = [...holders.keys()]
  for (let from = 0; from < canonicals.length; from += USERS_AT_ONCE) {
    const some = canonicals.slice(from, from + USERS_AT_ONCE)
    const rows = await database
      .select({ id: users.id, email: users.email })
      .from(users)
      .where(inArray(users.email, some))
    for (const { id, email } of rows) add(email, id)
  }
  return holders
}
