import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'

/** An account at a moment. Entries at that very moment count. */
export interface AccountMoment {
  accountId: AccountId
  asOf: Instant
}

/** The moment is later than PostgreSQL's clock and the account's last entry, so its balance is not known yet. */
export class FutureMomentError extends Error {
  override name = 'FutureMomentError'
  readonly now: Instant
  constructor(now: Instant) {
    super('the moment is in the future')
    this.now = now
  }
}

/** The balance of one account at one moment, computed from the ledger as it was asked. */
export interface AccountBalance {
  accountId: AccountId
  amount: Amount
  /** How many of the account's entries it counts. */
  sequence: number
  /** The moment asked for, or the time of the last entry counted (null: none). */
  asOf: Instant | null
}
