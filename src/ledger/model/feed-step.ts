import type { Instant } from '../../db/instant.ts'
import type { Snapshot } from './snapshot.ts'
import type { LedgerTransaction } from './transaction.ts'

/*
 * A step of the ledger-wide feed: what one snapshot sees and the one before did not, by time and then by id. It is read
 * in pages; a step that was begun keeps its snapshot to the end.
 */

/** A place in a step; null: before its first transaction. */
export type StepPlace = { createdAt: Instant; id: string } | null

/** A position in the feed: it has all up to a place in the step from `previous` to `snapshot`. */
export interface FeedPosition {
  previous: Snapshot
  snapshot: Snapshot
  after: StepPlace
}

export interface FeedEvent {
  transaction: LedgerTransaction
  /** Right after it. */
  position: FeedPosition
}

/**
 * A page of a step. One that is not begun (`after` is null) goes as far as `snapshot`, or to what is committed now where that
 * is null; it may end earlier. One that was begun keeps its snapshot.
 */
export interface StepRequest {
  previous: Snapshot
  snapshot: Snapshot | null
  after: StepPlace
}

export interface StepPage {
  /** Where the step ends. */
  snapshot: Snapshot
  /** It ends where it was asked to end, and not before. */
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

/** What is to be read after a page: the next one of its step, or the step after, to what is committed then. */
export function stepAfter({ previous }: StepRequest, { snapshot, transactions, isLast }: StepPage): StepRequest {
  const last = transactions.at(-1)
  if (isLast || !last) return { previous: snapshot, snapshot: null, after: null }
  return { previous, snapshot, after: { createdAt: last.createdAt, id: last.id } }
}
