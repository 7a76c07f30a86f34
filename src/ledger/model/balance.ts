import type { Instant } from '../../db/instant.ts'
import type { Cents } from './money.ts'

/** What an answer is about: entries at the moment count. */
export interface AccountMoment {
  accountId: string
  asOf: Instant
}

/** A moment later than PostgreSQL's clock and than the account's last entry: nobody knows yet. */
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
  accountId: string
  amount: Cents
  /** How many of the account's entries it counts. */
  sequence: number
  /** The moment asked for, or the time of the last entry counted (null: none). */
  asOf: Instant | null
}
