import type { TransactionId } from '../../db/ids.ts'
import type { Instant } from '../../db/instant.ts'
import type { Snapshot } from './snapshot.ts'
import type { LedgerTransaction } from './transaction.ts'

/*
 * A step of the feed of the whole ledger: what one snapshot sees and the snapshot before does not see, by time and then by
 * id. It is read in pages. A step that has begun keeps its snapshot to the end.
 */

/** A place in a step; null: before its first transaction. */
export type StepPlace = { createdAt: Instant; id: TransactionId } | null

/** A position in the feed: everything up to a place in the step from `previous` to `snapshot` is delivered. */
export interface FeedPosition {
  previous: Snapshot
  snapshot: Snapshot
  after: StepPlace
}

export interface FeedEvent {
  transaction: LedgerTransaction
  /** Right after the transaction. */
  position: FeedPosition
}

/**
 * A request for a page of a step. A step that has not begun (`after` is null) goes up to `snapshot`, or up to what is
 * committed now if that is null; it may end earlier. A step that has begun keeps its snapshot.
 */
export interface StepRequest {
  previous: Snapshot
  snapshot: Snapshot | null
  after: StepPlace
}

export interface StepPage {
  /** Where the step ends. */
  snapshot: Snapshot
  /** The step ends where the request asked, and not earlier. */
  isWhole: boolean
  /** In order. */
  transactions: LedgerTransaction[]
  /** The step ends with this page. */
  isLast: boolean
}

export function eventsOf({ previous }: StepRequest, { snapshot, transactions }: StepPage): FeedEvent[] {
  return transactions.map((transaction) => {
    const { createdAt, id } = transaction
    return { transaction, position: { previous, snapshot, after: { createdAt, id } } }
  })
}

/** What to read after a page: the next page of its step, or the next step, up to what is committed by then. */
export function stepAfter({ previous }: StepRequest, { snapshot, transactions, isLast }: StepPage): StepRequest {
  const last = transactions.at(-1)
  if (isLast || !last) return { previous: snapshot, snapshot: null, after: null }
  return { previous, snapshot, after: { createdAt: last.createdAt, id: last.id } }
}
