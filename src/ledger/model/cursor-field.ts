import { toAccountId, toTransactionId } from '../../db/ids.ts'
import { type Instant, instantOf, microsecondsOf } from '../../db/instant.ts'
import type { StepPlace } from './feed-step.ts'
import { readSnapshot, type Snapshot } from './snapshot.ts'
import { bytesOfUuid, UUID_BYTES, uuidOfBytes } from './uuid-bytes.ts'

/** How a value is written in the bytes of a cursor. */
export interface Field<Value> {
  write(value: Value): Buffer
  /** Takes the value from the bytes; undefined: they are no such value. */
  read(bytes: Bytes): Value | undefined
}

/** Bytes that are taken from the front, one field after another. */
export class Bytes {
  #left: Buffer

  constructor(bytes: Buffer) {
    this.#left = bytes
  }

  get isEmpty(): boolean {
    return this.#left.length === 0
  }

  /** undefined: there are fewer left. */
  take(count: number): Buffer | undefined {
    if (this.#left.length < count) return undefined
    const taken = this.#left.subarray(0, count)
    this.#left = this.#left.subarray(count)
    return taken
  }

  /** Everything up to a character, which is taken too; undefined: it is not there. */
  takeUntil(character: string): Buffer | undefined {
    const at = this.#left.indexOf(character)
    if (at === -1) return undefined
    const taken = this.take(at)
    this.take(character.length)
    return taken
  }

  takeRest(): Buffer {
    const taken = this.#left
    this.#left = taken.subarray(taken.length)
    return taken
  }
}

const INTEGER_BYTES = 8

/** JavaScript would round it. */
const safeNumber = (integer: bigint): number | undefined =>
  Number.isSafeInteger(Number(integer)) ? Number(integer) : undefined

const uuidOf = <Id extends string>(toId: (uuid: string) => Id): Field<Id> => ({
  write: bytesOfUuid,
  read(bytes) {
    const taken = bytes.take(UUID_BYTES)
    return taken && toId(uuidOfBytes(taken))
  },
})

export const uuid = uuidOf(String)
export const accountId = uuidOf(toAccountId)
export const transactionId = uuidOf(toTransactionId)

/** The number of an entry in its account. */
export const sequence: Field<number> = {
  write(value) {
    const written = Buffer.alloc(INTEGER_BYTES)
    written.writeBigUInt64BE(BigInt(value))
    return written
  },
  read(bytes) {
    const taken = bytes.take(INTEGER_BYTES)
    return taken && safeNumber(taken.readBigUInt64BE())
  },
}

/** In microseconds since 1970. */
export const instant: Field<Instant> = {
  write(value) {
    const written = Buffer.alloc(INTEGER_BYTES)
    written.writeBigInt64BE(BigInt(microsecondsOf(value)))
    return written
  },
  read(bytes) {
    const taken = bytes.take(INTEGER_BYTES)
    const microseconds = taken && safeNumber(taken.readBigInt64BE())
    return microseconds === undefined ? undefined : instantOf(microseconds)
  },
}

const NO_ID = '00000000-0000-0000-0000-000000000000'
const NO_TIME = instantOf(0)

/** Time and id of the last transaction; zeros: there is none. */
export const stepPlace: Field<StepPlace> = {
  write: (place) =>
    place === null
      ? Buffer.alloc(INTEGER_BYTES + UUID_BYTES)
      : Buffer.concat([instant.write(place.createdAt), transactionId.write(place.id)]),
  read(bytes) {
    const [createdAt, id] = [instant.read(bytes), transactionId.read(bytes)]
    if (createdAt === undefined || id === undefined) return undefined
    if (id !== NO_ID) return { createdAt, id }
    return createdAt === NO_TIME ? null : undefined
  },
}

const END = ';'

const snapshotOf = (bytes: Buffer | undefined): Snapshot | undefined => {
  const text = bytes?.toString('latin1')
  return text !== undefined && readSnapshot(text) ? text : undefined
}

/** With more fields after it. */
export const snapshot: Field<Snapshot> = {
  write: (value) => Buffer.from(value + END),
  read: (bytes) => snapshotOf(bytes.takeUntil(END)),
}

export const lastSnapshot: Field<Snapshot> = {
  write: (value) => Buffer.from(value),
  read: (bytes) => snapshotOf(bytes.takeRest()),
}
