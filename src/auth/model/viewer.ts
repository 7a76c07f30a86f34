import type { AccountId } from '../../db/ids.ts'

export type Role = 'USER' | 'OPERATOR'

/** Who asks, and which accounts are theirs. */
export interface Viewer {
  /** The user who is signed in; null: nobody is, or a service with a token of its own. */
  userId: string | null
  /** null: nobody is signed in. */
  role: Role | null
  /** The accounts that this viewer sees and pays from; null: all of them. */
  accountIds: ReadonlySet<AccountId> | null
  /** Equal for viewers who see and may do the same, except with accounts that one of them had not been given yet. */
  key: string
}

export const NOBODY: Viewer = { userId: null, role: null, accountIds: new Set(), key: 'nobody' }

/** A user who is signed in: an operator has all accounts, anybody else those that they own. Their key says who they are. */
export function viewerOfUser(userId: string, role: Role, ownedAccountIds: ReadonlySet<AccountId>): Viewer {
  return {
    userId,
    role,
    accountIds: role === 'OPERATOR' ? null : ownedAccountIds,
    key: `${role} ${userId}`,
  }
}

/** A service. */
export function viewerOfApiToken(id: string, role: Role, accountIds: readonly AccountId[] | null): Viewer {
  return { userId: null, role, accountIds: accountIds && new Set(accountIds), key: `${role} token ${id}` }
}

/** Whether an account is the viewer's to see, and to pay from. */
export function holdsAccount({ accountIds }: Viewer, accountId: AccountId): boolean {
  return accountIds === null || accountIds.has(accountId)
}

/** Whether the viewer runs the whole ledger. An operator's token may be for some accounts only. */
export function runsLedger({ role, accountIds }: Viewer): boolean {
  return role === 'OPERATOR' && accountIds === null
}
