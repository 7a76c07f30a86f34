import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instantOf } from '../../src/db/instant.ts'
import {
  type Cursor,
  ENTRY_CURSOR,
  type EntryPosition,
  FAILED_TRANSACTION_CURSOR,
  FEED_CURSOR,
  TRANSACTION_CURSOR,
  USER_CURSOR,
} from '../../src/ledger/model/cursor.ts'

const ERA = '018f4e2a-7c1d-7000-8000-3b9d5f0c1e2a'
const ID = '019a3b5c-0d2e-7f41-9a6b-c7d8e9fa0b1c'
const CREATED_AT = '2026-01-31T23:59:59.000001Z'

/** Any 16 bytes: not all of them are a UUID of some version. */
const uuids = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'))
  .map((hex) => [0, 8, 12, 16, 20].map((at, index, all) => hex.slice(at, all[index + 1])).join('-'))
const times = fc.maxSafeNat().map((microseconds) => instantOf(microseconds))
const sequences = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
)
const places = fc.record({ createdAt: times, id: uuids.filter((id) => !/^[0-]+$/.test(id)) })
const snapshots = fc.constantFrom('1:1:', '735:735:', '735:800:735,740,799')

/** Each kind, with positions of it. */
const KINDS: readonly (readonly [name: string, cursor: Cursor<object>, positions: fc.Arbitrary<object>])[] = [
  ['an entry', ENTRY_CURSOR, fc.record({ accountId: uuids, sequence: sequences })],
  ['a user', USER_CURSOR, fc.record({ id: uuids })],
  ['a failed transaction', FAILED_TRANSACTION_CURSOR, fc.record({ id: uuids })],
  ['a transaction', TRANSACTION_CURSOR, fc.record({ createdAt: times, id: uuids })],
  ['the feed', FEED_CURSOR, fc.record({ previous: snapshots, snapshot: snapshots, after: fc.option(places) })],
]

describe('cursors that clients already have keep their bytes: written down by hand from the layout, of', () => {
  const OLD: readonly (readonly [name: string, cursor: Cursor<object>, position: object, text: string])[] = [
    [
      'an entry',
      ENTRY_CURSOR,
      { accountId: ID, sequence: 42 },
      'AQGPTip8HXAAgAA7nV8MHioBmjtcDS5_QZprx9jp-gscAAAAAAAAACo',
    ],
    [
      'the start of an account whose id has no version',
      ENTRY_CURSOR,
      { accountId: '11111111-1111-1111-1111-111111111111', sequence: 0 },
      'AQGPTip8HXAAgAA7nV8MHioRERERERERERERERERERERAAAAAAAAAAA',
    ],
    [
      'the largest number',
      ENTRY_CURSOR,
      { accountId: ID, sequence: 2 ** 53 - 1 },
      'AQGPTip8HXAAgAA7nV8MHioBmjtcDS5_QZprx9jp-gscAB________8',
    ],
    ['a user', USER_CURSOR, { id: ID }, 'AgABj04qfB1wAIAAO51fDB4qAZo7XA0uf0Gaa8fY6foLHA'],
    ['a failed transaction', FAILED_TRANSACTION_CURSOR, { id: ID }, 'AgIBj04qfB1wAIAAO51fDB4qAZo7XA0uf0Gaa8fY6foLHA'],
    [
      'a transaction',
      TRANSACTION_CURSOR,
      { createdAt: CREATED_AT, id: ID },
      'AwGPTip8HXAAgAA7nV8MHioABkm34yWdwQGaO1wNLn9BmmvH2On6Cxw',
    ],
    [
      'a place in the feed',
      FEED_CURSOR,
      { previous: '1:2:1', snapshot: '735:800:735,740,799', after: { createdAt: CREATED_AT, id: ID } },
      'BAGPTip8HXAAgAA7nV8MHioABkm34yWdwQGaO1wNLn9BmmvH2On6CxwxOjI6MTs3MzU6ODAwOjczNSw3NDAsNzk5',
    ],
    [
      'the start of a step of the feed',
      FEED_CURSOR,
      { previous: '735:735:', snapshot: '735:800:735', after: null },
      'BAGPTip8HXAAgAA7nV8MHioAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3MzU6NzM1Ojs3MzU6ODAwOjczNQ',
    ],
  ]

  test.each(OLD)('%s', (_name, cursor, position, text) => {
    expect(cursor.decode(text, ERA)).toEqual(position)
    expect(cursor.encode(position, ERA)).toBe(text)
  })
})

describe.each(KINDS)('a cursor of %s', (name, cursor, positions) => {
  test('is read back as it was made, to the microsecond', () => {
    fc.assert(
      fc.property(positions, uuids, (position, era) => {
        expect(cursor.decode(cursor.encode(position, era), era)).toEqual(position)
      }),
    )
  })

  test('of another era is expired', () => {
    fc.assert(
      fc.property(positions, (position) => {
        expect(cursor.decode(cursor.encode(position, randomUUID()), ERA)).toBe('expired')
      }),
    )
  })

  test('fits into a URL as it is', () => {
    fc.assert(
      fc.property(positions, uuids, (position, era) => {
        const text = cursor.encode(position, era)
        expect(encodeURIComponent(text)).toBe(text)
      }),
    )
  })

  test('is the only one for its position: no other text is read as it', () => {
    fc.assert(
      fc.property(positions, fc.nat(), fc.string({ maxLength: 2 }), fc.nat(2), (position, place, text, cut) => {
        const whole = cursor.encode(position, ERA)
        const at = place % (whole.length + 1)
        const changed = whole.slice(0, at) + text + whole.slice(at + cut)
        const read = cursor.decode(changed, ERA)
        if (typeof read === 'object') expect(cursor.encode(read, ERA)).toBe(changed)
      }),
    )
  })

  test('is none of another kind', () => {
    fc.assert(
      fc.property(positions, (position) => {
        const text = cursor.encode(position, ERA)
        for (const [other, { decode }] of KINDS) if (other !== name) expect(decode(text, ERA), other).toBeUndefined()
      }),
    )
  })

  test('is nothing else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.uuid()), (text) => {
        expect(cursor.decode(text, ERA)).toBeUndefined()
      }),
    )
  })
})

test("the number of a list stays what it was, and one that is given up is nobody's", () => {
  const bytes = Buffer.alloc(34)
  bytes.writeUInt8(2, 0)
  const era = '00000000-0000-0000-0000-000000000000'
  const kindsOf = (number: number) => {
    bytes.writeUInt8(number, 1)
    return KINDS.filter(([, cursor]) => cursor.decode(bytes.toString('base64url'), era)).map(([name]) => name)
  }
  // 1 was the whole ledger's, when it was ordered by id.
  expect([0, 1, 2, 3].map(kindsOf)).toEqual([['a user'], [], ['a failed transaction'], []])
})

test('a cursor never holds a number that JavaScript would round', () => {
  const bytes = Buffer.alloc(41)
  bytes.writeUInt8(1, 0)
  const read = () =>
    ENTRY_CURSOR.decode(bytes.toString('base64url'), '00000000-0000-0000-0000-000000000000') as EntryPosition
  bytes.writeBigUInt64BE(2n ** 53n - 1n, 33)
  expect(read().sequence).toBe(2 ** 53 - 1)
  for (const sequence of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    bytes.writeBigUInt64BE(sequence, 33)
    expect(read()).toBeUndefined()
  }
})

test.each(['', '1:1:', '1:1:;', ';1:1:', '1:1:;1:1:;1:1:', "1:1:;1:1:' or 1=1", '1:1:;x', '\u00ff'])(
  'a cursor of the feed that holds %j is none',
  (text) => {
    const whole = FEED_CURSOR.encode({ previous: '1:1:', snapshot: '1:1:', after: null }, ERA)
    const start = Buffer.from(whole, 'base64url').subarray(0, 41)
    expect(FEED_CURSOR.decode(whole, ERA)).toBeDefined()
    expect(FEED_CURSOR.decode(Buffer.concat([start, Buffer.from(text)]).toString('base64url'), ERA)).toBeUndefined()
  },
)

test('a text that is too long is not looked at', () => {
  const xids = Array.from({ length: 12_000 }, (_, index) => index + 1).join()
  const text = FEED_CURSOR.encode({ previous: '1:1:', snapshot: `1:20000:${xids}`, after: null }, ERA)
  expect(text.length).toBeGreaterThan(64 * 1024)
  expect(FEED_CURSOR.decode(text, ERA)).toBeUndefined()
})
