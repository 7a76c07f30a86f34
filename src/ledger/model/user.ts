import { type Instant, selectInstant } from '../../db/instant.ts'
import { users } from '../../db/tables.ts'

type Role = 'USER' | 'OPERATOR'

/** Has a main account, whose id is the user's, and perhaps others. */
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
  /** null: cannot sign in. */
  passwordHash: string | null
  role: Role
  /** Of the main account; by default the ledger's. */
  currency?: string | undefined
}

/** What a user is looked up by. E-mail addresses are canonical. */
export type UserKey = { id: string; email?: never } | { email: string; id?: never }
