/** Why a feed cannot be read any further. */
export type FeedFailure = 'timed-out' | 'failed'

/** A subscriber that stopped reading. It may resume from `position`, that of the last item it took. */
export class SlowConsumerError<Position> extends Error {
  override name = 'SlowConsumerError'
  readonly position: Position
  constructor(position: Position) {
    super('the subscriber stopped reading')
    this.position = position
  }
}

/** The next items cannot be read. The subscriber may resume from `position`. */
export class FeedFailedError<Position> extends Error {
  override name = 'FeedFailedError'
  readonly position: Position
  readonly reason: FeedFailure
  constructor(position: Position, reason: FeedFailure) {
    super(reason === 'timed-out' ? 'reading the feed timed out' : 'reading the feed failed')
    this.position = position
    this.reason = reason
  }
}

/** A position that is later than everything committed. */
export class PositionNotReachedError extends Error {
  override name = 'PositionNotReachedError'
}

/** Rows have ids of database transactions that this PostgreSQL has not reached: it was restored from a dump. */
export class RestoredLedgerError extends Error {
  override name = 'RestoredLedgerError'
  constructor() {
    super('the ledger was restored from a dump: run `npm run era:renew` once, so that it can be watched again')
  }
}
