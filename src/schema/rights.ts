import type { GraphQLError } from 'graphql'
import { holdsAccount, runsLedger, type Viewer } from '../auth/model/viewer.ts'
import type { FailedTransaction } from '../ledger/model/failed-transaction.ts'
import { accountsOf, type Sides } from '../ledger/model/sides.ts'
import type { LedgerTransaction } from '../ledger/model/transaction.ts'
import type { Context } from './context.ts'
import { requestError } from './request-error.ts'

/*
 * Who may see and do what; docs/security.md has the table. Other users' data behaves as if it did not exist, so most rules
 * are applied where an object is read.
 */

/** What a field may require of its caller. */
export interface Scopes {
  signedIn: boolean
  /** Runs the whole ledger. */
  operator: boolean
  /** An operator, perhaps for some accounts only. */
  depositor: boolean
  /** Runs the ledger and is a person: no token makes another token. */
  signedInOperator: boolean
}

export function scopesOf({ viewer }: Context): Scopes {
  return {
    signedIn: viewer.role !== null,
    operator: runsLedger(viewer),
    depositor: viewer.role === 'OPERATOR',
    signedInOperator: runsLedger(viewer) && viewer.userId !== null,
  }
}

export function unauthorized({ viewer, tokenHint }: Context): GraphQLError {
  return viewer.role === null
    ? requestError(
        'UNAUTHENTICATED',
        `Sign in first: send a token in the header \`Authorization: Bearer <token>\`.${tokenHint}`,
      )
    : requestError('FORBIDDEN', whoMayDoThis(viewer))
}

/** What a viewer lacks who is known. */
function whoMayDoThis(viewer: Viewer): string {
  if (viewer.role !== 'OPERATOR') return "Only operators may do this. Send an operator's token."
  return runsLedger(viewer)
    ? 'No API token may do this. Sign in as an operator, and send the token of the sign-in.'
    : "A token for some accounts may not do this. Send an operator's token for all accounts."
}

/** A user sees their own profile, and whoever runs the ledger sees all. A token for accounts sees of their owners the ids. */
export function seesUser(viewer: Viewer, userId: string): boolean {
  return viewer.userId === userId || viewer.accountIds === null
}

/** Both sides of a transaction see it. */
export function seesTransaction(viewer: Viewer, transaction: LedgerTransaction): boolean {
  return accountsOf(transaction).some((accountId) => holdsAccount(viewer, accountId))
}

/** A key belongs to whoever may post with it: the payer, and for money that comes in or leaves an operator. */
export function seesKey(viewer: Viewer, { sourceAccountId, destinationAccountId }: Sides): boolean {
  const accountId = sourceAccountId ?? destinationAccountId
  if (accountId === null || !holdsAccount(viewer, accountId)) return false
  return (sourceAccountId !== null && destinationAccountId !== null) || viewer.role === 'OPERATOR'
}

/** An attempt belongs to the same. Whoever would have been paid does not see it. */
export const seesAttempt: (viewer: Viewer, attempt: FailedTransaction) => boolean = seesKey
