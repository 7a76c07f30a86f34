import { type Instant, selectInstant } from '../../db/instant.ts'
import { users } from '../../db/tables.ts'

type Role = 'USER' | 'OPERATOR'

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
  /** In its canonical form. */
  email: string
  /** null: cannot sign in (a house account). */
  passwordHash: string | null
  role: Role
}

/** What a user is looked up by. E-mail addresses are canonical. */
export type UserKey = { id: string; email?: never } | { email: string; id?: never }
