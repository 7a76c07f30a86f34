import type { Database } from '../../db/pool.ts'
import { users } from '../../db/tables.ts'
import type { IdPage, IdPosition } from '../model/id-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { makeRowId } from '../model/row-id.ts'
import { type NewUser, type User, type UserKey, userColumns } from '../model/user.ts'
import { readUsers } from '../statements/read-users.ts'
import { pageById } from './id-page.ts'

/** @returns the user, or undefined when the e-mail is taken. */
export async function createUser(database: Database, user: NewUser): Promise<User | undefined> {
  const [created] = await database
    .insert(users)
    .values({ id: makeRowId(), ...user })
    .onConflictDoNothing({ target: users.email })
    .returning(userColumns)
  return created
}

/** In the order of the keys, in one statement; undefined where there is none. */
export async function findUsersByKey(database: Database, keys: readonly UserKey[]): Promise<(User | undefined)[]> {
  const ids = keys.flatMap(({ id }) => id ?? [])
  const emails = keys.flatMap(({ email }) => email ?? [])
  const rows = await readUsers(database).execute({ ids, emails })
  const byId = new Map(rows.map((user) => [user.id, user]))
  const byEmail = new Map(rows.map((user) => [user.email, user]))
  return keys.map(({ id, email }) => (id === undefined ? byEmail.get(email) : byId.get(id)))
}

/** Users, newest first (by id, which rises with time). */
export function pageUsers(database: Database, request: PageRequest<IdPosition>): Promise<IdPage<User>> {
  return pageById(database, request, users, users.id, undefined, (where, order, limit) =>
    database.select(userColumns).from(users).where(where).orderBy(order).limit(limit),
  )
}

/** How many users there are. */
export async function countUsers(database: Database): Promise<number> {
  return database.$count(users)
}
