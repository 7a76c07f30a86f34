import type { AccountId } from '../../db/ids.ts'
import {
  accountId,
  Bytes,
  type Field,
  instant,
  lastSnapshot,
  sequence,
  snapshot,
  stepPlace,
  transactionId,
  uuid,
} from './cursor-field.ts'
import type { FeedPosition } from './feed-step.ts'
import type { IdPosition } from './id-page.ts'
import type { TransactionPosition } from './transaction-page.ts'

/*
 * Cursors are positions that clients keep. They are opaque to clients: base64url of the kind, the era of the ledger, and the
 * fields of the position. The era makes cursors from before a restore void, since they may mean another position now.
 */

/** A kind of cursors. */
export interface Cursor<Position> {
  encode(position: Position, era: string): string
  /**
   * @param era of the ledger now.
   * @returns undefined when the text is no cursor of this kind, 'expired' when it is of another era.
   */
  decode(text: string, era: string): Position | 'expired' | undefined
}

/** In characters. */
const LENGTH_MAX = 100
/** Two snapshots of a server with 2,000 database transactions in flight take less. */
const FEED_LENGTH_MAX = 64 * 1024

/**
 * @param kind the first bytes. Clients keep cursors, so a kind that is given up is never used again. One is: [2, 1] was the
 * whole ledger's, when it was ordered by id.
 * @param fields of the position, in the order of their bytes.
 */
function cursorOf<Position extends object>(
  kind: readonly number[],
  fields: { readonly [Name in keyof Position]-?: Field<Position[Name]> },
  lengthMax = LENGTH_MAX,
): Cursor<Position> {
  const start = Buffer.from(kind)
  return {
    encode(position, era) {
      const written = [start, uuid.write(era)]
      for (const name in fields) written.push(fields[name].write(position[name]))
      return Buffer.concat(written).toString('base64url')
    },
    decode(text, era) {
      if (text.length > lengthMax) return undefined
      const decoded = Buffer.from(text, 'base64url')
      // Node's decoder skips what it does not know; only the canonical text is taken.
      if (decoded.toString('base64url') !== text) return undefined
      const bytes = new Bytes(decoded)
      if (!bytes.take(start.length)?.equals(start)) return undefined
      const ownEra = uuid.read(bytes)
      const position: Partial<Position> = {}
      for (const name in fields) {
        const value = fields[name].read(bytes)
        if (value === undefined) return undefined
        position[name] = value
      }
      if (!bytes.isEmpty) return undefined
      // It has every field now.
      return ownEra === era ? (position as Position) : 'expired'
    },
  }
}

/**
 * A position in an account: after its entry `sequence` (0: before the first). One and the same value pages a
 * connection, whatever its filter, and resumes a subscription.
 */
export interface EntryPosition {
  accountId: AccountId
  sequence: number
}

export const ENTRY_CURSOR = cursorOf<EntryPosition>([1], { accountId, sequence })
export const USER_CURSOR = cursorOf<IdPosition>([2, 0], { id: uuid })
export const FAILED_TRANSACTION_CURSOR = cursorOf<IdPosition>([2, 2], { id: uuid })
export const ACCOUNT_CURSOR = cursorOf<IdPosition>([2, 3], { id: uuid })
/** A position in the whole ledger: after which transaction. */
export const TRANSACTION_CURSOR = cursorOf<TransactionPosition>([3], { createdAt: instant, id: transactionId })
/** A position in the feed of the whole ledger. */
export const FEED_CURSOR = cursorOf<FeedPosition>(
  [4],
  { after: stepPlace, previous: snapshot, snapshot: lastSnapshot },
  FEED_LENGTH_MAX,
)
