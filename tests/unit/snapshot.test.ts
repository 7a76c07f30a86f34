import { expect, test } from 'vitest'
import { decodeFeedCursor, encodeFeedCursor } from '../../src/ledger/model/cursor.ts'
import { durable, readSnapshot } from '../../src/ledger/model/snapshot.ts'

test('a snapshot is read as PostgreSQL writes it', () => {
  expect(readSnapshot('735:735:')).toEqual({ xmax: 735n, inFlight: [] })
  expect(readSnapshot('735:800:735,740,799')).toEqual({ xmax: 800n, inFlight: ['735', '740', '799'] })
})

test.each([
  '',
  '1',
  '1:2',
  ':1:',
  '0:1:',
  '2:1:',
  '1:5:0',
  '1:5:5',
  '1:5:3,2',
  '1:5:3,3',
  '1:5:2,',
  '01:5:',
  '1:5: 2',
  '1:5:2;3:4:',
  '-1:5:',
])('%j is none', (text) => expect(readSnapshot(text)).toBeUndefined())

test('a durable snapshot sees the same rows, and ends right after the newest of them', () => {
  expect(durable('735:800:735,740,799', '770')).toBe('735:771:735,740')
  expect(durable('735:800:735,740,799', '799')).toBe('735:800:735,740,799')
  expect(durable('735:800:790,799', '770')).toBe('771:771:')
  expect(durable('735:800:', null)).toBe('1:1:')
})

const era = '018f4e2a-7c1d-7000-8000-3b9d5f0c1e2a'

test('a position of the feed is read back as it was made', () => {
  const positions = [
    { previous: '735:735:', snapshot: '735:800:735,740,799', after: null },
    { previous: '1:2:1', snapshot: '9:9:', after: { createdAt: '2026-01-31T23:59:59.000001Z', id: era } },
  ]
  for (const position of positions)
    expect(decodeFeedCursor(encodeFeedCursor({ era, ...position }))).toEqual({ era, ...position })
})

test.each(['1:1:', '1:1:;', ';1:1:', '1:1:;1:1:;1:1:', "1:1:;1:1:' or 1=1", '1:1:;x', '\u00ff'])(
  'a cursor that holds %j is none',
  (text) => {
    const bytes = Buffer.from(encodeFeedCursor({ era, previous: '1:1:', snapshot: '1:1:', after: null }), 'base64url')
    expect(
      decodeFeedCursor(Buffer.concat([bytes.subarray(0, 41), Buffer.from(text)]).toString('base64url')),
    ).toBeUndefined()
  },
)
