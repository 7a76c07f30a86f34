import type { Role } from './viewer.ts'

/** What is undefined stays as it is. */
export interface UserChange {
  /** In its canonical form. */
  email: string | undefined
  role: Role | undefined
}

/** Why a user was not changed. LAST_OPERATOR: no other operator has a password, so nobody could run the ledger. */
export type UserChangeRefusal = 'USER_NOT_FOUND' | 'EMAIL_TAKEN' | 'LAST_OPERATOR'
