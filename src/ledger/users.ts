import { eq, inArray, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import type { Database } from '../db/pool.ts'
import { users } from '../db/tables.ts'
import { type IdPage, type IdPageRequest, pageById } from './id-page.ts'
import { type Instant, selectInstant } from './instant.ts'

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

const userColumns = {
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
    .values({ id: uuidv7(), ...user })
    .onConflictDoNothing({ target: users.email })
    .returning(userColumns)
  return created
}

/** In the order of the ids; undefined where there is none. */
export async function findUsers(database: Database, ids: readonly string[]): Promise<(User | undefined)[]> {
  const rows = await database
    .select(userColumns)
    .from(users)
    .where(sql`${users.id} = any(${sql.param(ids)}::uuid[])`)
  const byId = new Map(rows.map((user) => [user.id, user]))
  return ids.map((id) => byId.get(id))
}

/** In the order of the (canonical) e-mails; undefined where there is none. */
export async function findUsersByEmail(database: Database, emails: readonly string[]): Promise<(User | undefined)[]> {
  const rows = await database
    .select(userColumns)
    .from(users)
    .where(inArray(users.email, [...emails]))
  const byEmail = new Map(rows.map((user) => [user.email, user]))
  return emails.map((email) => byEmail.get(email))
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

export async function isUserId(database: Database, id: string): Promise<boolean> {
  const [row] = await database.select({ id: users.id }).from(users).where(eq(users.id, id))
  return row !== undefined
}
