import { type Instant, selectInstant } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { users } from '../../db/tables.ts'
import { makeRowId } from '../model/row-id.ts'
import { readUsers } from '../statements/read-users.ts'
import { type IdPage, type IdPageRequest, pageById } from './id-page.ts'

export type Role = 'USER' | 'OPERATOR'

/** One user is one account. */
export interface User {
  id: string
  /** In its canonical form. */
  email: string
  role: Role
  createdAt: Instant
  updatedAt: Instant
}

export const userColumns = {
  id: users.id,
  email: users.email,
  role: users.role,
  createdAt: selectInstant(users.createdAt),
  updatedAt: selectInstant(users.updatedAt),
}

export interface NewUser {
  /** Canonical already. */
  email: string
  /** null: cannot sign in (a house account). */
  passwordHash: string | null
  role: Role
}

/** @returns the user, or undefined when the e-mail is taken. */
export async function createUser(database: Database, user: NewUser): Promise<User | undefined> {
  const [created] = await database
    .insert(users)
    .values({ id: makeRowId(), ...user })
    .onConflictDoNothing({ target: users.email })
    .returning(userColumns)
  return created
}

/** How a user is looked up; e-mails are canonical. */
export type UserKey = { id: string; email?: never } | { email: string; id?: never }

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
export function pageUsers(database: Database, request: IdPageRequest): Promise<IdPage<User>> {
  return pageById(database, request, users, users.id, undefined, (where, order, limit) =>
    database.select(userColumns).from(users).where(where).orderBy(order).limit(limit),
  )
}

/** How many users there are. */
export async function countUsers(database: Database): Promise<number> {
  return database.$count(users)
}
