import { type Instant, instantOf, microsecondsOf } from '../../db/instant.ts'
import type { FeedPosition } from './feed-step.ts'
import { readSnapshot } from './snapshot.ts'

/**
 * A position in an account: after its entry `sequence` (0: before the first). One and the same value pages a
 * connection, whatever its filter, and resumes a subscription. The era makes cursors from before a restore void.
 */
export interface EntryCursor {
  era: string
  accountId: string
  sequence: number
}

const ENTRY_VERSION = 1
const ENTRY_BYTES = 1 + 16 + 16 + 8

/** Opaque to clients: base64url of a version byte, era, account and a 64-bit sequence. */
export function encodeEntryCursor({ era, accountId, sequence }: EntryCursor): string {
  const bytes = Buffer.alloc(ENTRY_BYTES)
  bytes.writeUInt8(ENTRY_VERSION, 0)
  bytes.write(era.replaceAll('-', ''), 1, 'hex')
  bytes.write(accountId.replaceAll('-', ''), 17, 'hex')
  bytes.writeBigUInt64BE(BigInt(sequence), 33)
  return bytes.toString('base64url')
}

/** @returns undefined when the text is no cursor of this kind. */
export function decodeEntryCursor(text: string): EntryCursor | undefined {
  const bytes = decode(text, ENTRY_VERSION, ENTRY_BYTES)
  if (!bytes) return undefined
  const sequence = bytes.readBigUInt64BE(33)
  if (sequence > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  return { era: uuidAt(bytes, 1), accountId: uuidAt(bytes, 17), sequence: Number(sequence) }
}

/** A position in a list ordered by id: of which list, and after which item. */
export interface IdCursor {
  list: IdList
  era: string
  id: string
}

/** Their numbers are in cursors that clients keep: one that is given up is never given out again. */
const LIST_NUMBERS = { users: 0, failedTransactions: 2 } as const
export type IdList = keyof typeof LIST_NUMBERS

const ID_VERSION = 2
const ID_BYTES = 1 + 1 + 16 + 16

/** Opaque to clients: base64url of a version byte, the number of the list, era and id. */
export function encodeIdCursor({ list, era, id }: IdCursor): string {
  const bytes = Buffer.alloc(ID_BYTES)
  bytes.writeUInt8(ID_VERSION, 0)
  bytes.writeUInt8(LIST_NUMBERS[list], 1)
  bytes.write(era.replaceAll('-', ''), 2, 'hex')
  bytes.write(id.replaceAll('-', ''), 18, 'hex')
  return bytes.toString('base64url')
}

/** @returns undefined when the text is no cursor of this kind. */
export function decodeIdCursor(text: string): IdCursor | undefined {
  const bytes = decode(text, ID_VERSION, ID_BYTES)
  const lists = Object.keys(LIST_NUMBERS) as IdList[]
  const list = bytes && lists.find((name) => LIST_NUMBERS[name] === bytes.readUInt8(1))
  return list && { list, era: uuidAt(bytes, 2), id: uuidAt(bytes, 18) }
}

/** A position in the whole ledger: after which transaction. */
export interface TransactionCursor {
  era: string
  createdAt: Instant
  id: string
}

const TRANSACTION_VERSION = 3
const TRANSACTION_BYTES = 1 + 16 + 8 + 16

/** Opaque to clients: base64url of a version byte, era, microseconds since 1970 and id. */
export function encodeTransactionCursor({ era, createdAt, id }: TransactionCursor): string {
  const bytes = Buffer.alloc(TRANSACTION_BYTES)
  bytes.writeUInt8(TRANSACTION_VERSION, 0)
  bytes.write(era.replaceAll('-', ''), 1, 'hex')
  bytes.writeBigInt64BE(BigInt(microsecondsOf(createdAt)), 17)
  bytes.write(id.replaceAll('-', ''), 25, 'hex')
  return bytes.toString('base64url')
}

/** @returns undefined when the text is no cursor of this kind. */
export function decodeTransactionCursor(text: string): TransactionCursor | undefined {
  const bytes = decode(text, TRANSACTION_VERSION, TRANSACTION_BYTES)
  const microseconds = bytes ? Number(bytes.readBigInt64BE(17)) : Number.NaN
  if (!bytes || !Number.isSafeInteger(microseconds)) return undefined
  return { era: uuidAt(bytes, 1), createdAt: instantOf(microseconds), id: uuidAt(bytes, 25) }
}

/** A position in the feed of the whole ledger. */
export interface FeedCursor extends FeedPosition {
  era: string
}

const FEED_VERSION = 4
/** Before the two snapshots, which are text of any length. */
const FEED_BYTES = 1 + 16 + 8 + 16
/** In characters. Two snapshots of a server with 2,000 database transactions in flight take less. */
const FEED_LENGTH_MAX = 64 * 1024
const NOWHERE = '00000000-0000-0000-0000-000000000000'

/** Opaque to clients: base64url of a version byte, era, the place in the step (zeros: none), and its two snapshots. */
export function encodeFeedCursor({ era, previous, snapshot, after }: FeedCursor): string {
  const bytes = Buffer.alloc(FEED_BYTES)
  bytes.writeUInt8(FEED_VERSION, 0)
  bytes.write(era.replaceAll('-', ''), 1, 'hex')
  bytes.writeBigInt64BE(BigInt(after ? microsecondsOf(after.createdAt) : 0), 17)
  bytes.write((after?.id ?? NOWHERE).replaceAll('-', ''), 25, 'hex')
  return Buffer.concat([bytes, Buffer.from(`${previous};${snapshot}`)]).toString('base64url')
}

/** @returns undefined when the text is no cursor of this kind. */
export function decodeFeedCursor(text: string): FeedCursor | undefined {
  const bytes = text.length <= FEED_LENGTH_MAX ? decode(text, FEED_VERSION) : undefined
  if (!bytes || bytes.length <= FEED_BYTES) return undefined
  const microseconds = Number(bytes.readBigInt64BE(17))
  const id = uuidAt(bytes, 25)
  const [previous = '', snapshot = '', ...more] = bytes.toString('latin1', FEED_BYTES).split(';')
  if (!Number.isSafeInteger(microseconds) || more.length > 0) return undefined
  if (!readSnapshot(previous) || !readSnapshot(snapshot)) return undefined
  const after = id === NOWHERE ? null : { createdAt: instantOf(microseconds), id }
  return { era: uuidAt(bytes, 1), previous, snapshot, after }
}

/** Node's decoder skips what it does not know; only the canonical text is taken. */
function decode(text: string, version: number, length?: number): Buffer | undefined {
  // Four characters for three bytes.
  if (length !== undefined && text.length !== Math.ceil((length * 4) / 3)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  if ((length !== undefined && bytes.length !== length) || bytes[0] !== version || bytes.toString('base64url') !== text)
    return undefined
  return bytes
}

function uuidAt(bytes: Buffer, offset: number): string {
  const hex = bytes.toString('hex', offset, offset + 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
