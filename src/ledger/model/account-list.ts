import type { AccountId } from '../../db/ids.ts'
import type { AccountStatus } from './account.ts'
import type { IdPosition } from './id-page.ts'
import type { PageRequest } from './page-request.ts'

/** Which accounts a list has. What is undefined or null does not matter. */
export interface AccountFilter {
  ownerId?: string | null | undefined
  /** true: only house accounts, which nobody owns. false: none of them. */
  house?: boolean | null | undefined
  /** The whole name, in the same case. */
  name?: string | null | undefined
  /** The code of a currency, in the same case. */
  currency?: string | null | undefined
  status?: AccountStatus | null | undefined
}

/** The accounts of one owner: all, or those of a set. */
export interface AccountsOfOwner {
  ownerId: string
  /** null: all. */
  held: ReadonlySet<AccountId> | null
}

/** One page of them. */
export interface AccountsOfOwnerPage extends AccountsOfOwner {
  request: PageRequest<IdPosition>
}
