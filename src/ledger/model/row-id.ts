import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'

/** Random bytes are fetched for so many ids at once. One by one they would cost more than the rest of an id (4 % of a transfer). */
const IDS_AT_ONCE = 256
const BYTES = 16

const pool = new Uint8Array(IDS_AT_ONCE * BYTES)
let used = pool.length
let milliseconds = 0
let sequence = 0

/** A version 7 UUID, later than any that this process has made before. */
export function makeRowId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const random = pool.subarray(used, used + BYTES)
  used += BYTES
  const now = Date.now()
  if (now > milliseconds) {
    milliseconds = now
    // Half of the range of 32 bits, so that it can be incremented two thousand million times.
    sequence = new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1
  } else if (++sequence > 0xffff_ffff) {
    milliseconds++
    sequence = 0
  }
  return v7({ random, msecs: milliseconds, seq: sequence })
}
