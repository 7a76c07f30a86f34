import { expect, test } from 'vitest'
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
