import type { Amount } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'
import type { BucketSize } from './calendar.ts'

/** What happened to a balance from `start` up to `end`, `end` excluded. */
export interface BalanceBucket {
  start: Instant
  end: Instant
  /** False if the bucket has not ended yet: then `end` is the time of the request. */
  complete: boolean
  /** The balance right before `start`. An entry at `start` is in the bucket. */
  opening: Amount
  /** The balance after the last entry before `end`. */
  closing: Amount
  /** Of the balances from `opening` to `closing`, both included. */
  lowest: Amount
  highest: Amount
  /** The sums of credits and of debits, both positive. They may exceed 64 bits. */
  credited: Amount
  debited: Amount
  entryCount: number
}

export interface HistoryRequest {
  accountId: AccountId
  /** Included. */
  from: Instant
  /** Excluded. Not before `from`; in the future it means now. */
  to: Instant
  bucket: BucketSize
  /** By its name. */
  timeZone: string
}

/** The most buckets that a history may have. */
export const BUCKETS_MAX = 1_000

export class TooManyBucketsError extends Error {
  override name = 'TooManyBucketsError'
}
