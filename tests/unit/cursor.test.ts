import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instantOf } from '../../src/db/instant.ts'
import {
  decodeEntryCursor,
  decodeIdCursor,
  decodeTransactionCursor,
  encodeEntryCursor,
  encodeIdCursor,
  encodeTransactionCursor,
} from '../../src/ledger/model/cursor.ts'

const cursors = fc.record({
  era: fc.uuid(),
  accountId: fc.uuid(),
  sequence: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
})

test('a cursor is read back as it was made', () => {
  fc.assert(
    fc.property(cursors, (cursor) => {
      expect(decodeEntryCursor(encodeEntryCursor(cursor))).toEqual(cursor)
    }),
    {
      examples: [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER].map((sequence) => [
        { era: '00000000-0000-0000-0000-000000000000', accountId: 'ffffffff-ffff-ffff-ffff-ffffffffffff', sequence },
      ]),
    },
  )
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), fc.constantFrom('users', 'failedTransactions'), (era, id, list) => {
      expect(decodeIdCursor(encodeIdCursor({ list, era, id }))).toEqual({ list, era, id })
    }),
  )
})

test('a place in the whole ledger is read back to the microsecond', () => {
  const place = fc.record({
    era: fc.uuid(),
    createdAt: fc.maxSafeNat().map((microseconds) => instantOf(microseconds)),
    id: fc.uuid(),
  })
  fc.assert(
    fc.property(place, (place) => {
      expect(decodeTransactionCursor(encodeTransactionCursor(place))).toEqual(place)
    }),
  )
})

test("the number of a list stays what it was, and one that is given up is nobody's", () => {
  const bytes = Buffer.alloc(34)
  bytes.writeUInt8(2, 0)
  const listOf = (number: number) => {
    bytes.writeUInt8(number, 1)
    return decodeIdCursor(bytes.toString('base64url'))?.list
  }
  // 1 was the whole ledger's, when it was ordered by id.
  expect([0, 1, 2, 3].map(listOf)).toEqual(['users', undefined, 'failedTransactions', undefined])
})

test('a cursor fits into a URL as it is', () => {
  fc.assert(
    fc.property(cursors, (cursor) => {
      const text = encodeEntryCursor(cursor)
      expect(encodeURIComponent(text)).toBe(text)
    }),
  )
})

test('one position has one cursor: no other text is read as it', () => {
  const changes = fc.tuple(cursors, fc.nat(), fc.string({ maxLength: 2 }), fc.nat(2))
  fc.assert(
    fc.property(changes, ([cursor, place, text, cut]) => {
      const whole = encodeEntryCursor(cursor)
      const at = place % (whole.length + 1)
      const changed = whole.slice(0, at) + text + whole.slice(at + cut)
      const read = decodeEntryCursor(changed)
      if (read) expect(encodeEntryCursor(read)).toBe(changed)
    }),
  )
})

test('a cursor of one kind is none of the other', () => {
  fc.assert(
    fc.property(cursors, (cursor) => {
      expect(decodeIdCursor(encodeEntryCursor(cursor))).toBeUndefined()
      expect(decodeTransactionCursor(encodeEntryCursor(cursor))).toBeUndefined()
      const place = { era: cursor.era, createdAt: '2026-01-31T23:59:59.000001Z', id: cursor.accountId }
      expect(decodeEntryCursor(encodeTransactionCursor(place))).toBeUndefined()
      expect(
        decodeEntryCursor(encodeIdCursor({ list: 'users', era: cursor.era, id: cursor.accountId })),
      ).toBeUndefined()
    }),
  )
})

test('a cursor never holds a number that JavaScript would round', () => {
  const bytes = Buffer.alloc(41)
  bytes.writeUInt8(1, 0)
  bytes.writeBigUInt64BE(2n ** 53n - 1n, 33)
  expect(decodeEntryCursor(bytes.toString('base64url'))?.sequence).toBe(2 ** 53 - 1)
  for (const sequence of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    bytes.writeBigUInt64BE(sequence, 33)
    expect(decodeEntryCursor(bytes.toString('base64url'))).toBeUndefined()
  }
})

test('no other text is a cursor, and none is a fault', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.uuid()), (text) => {
      expect([decodeEntryCursor(text), decodeIdCursor(text), decodeTransactionCursor(text)]).toEqual([
        undefined,
        undefined,
        undefined,
      ])
    }),
  )
})
