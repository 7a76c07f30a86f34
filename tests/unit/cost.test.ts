import { expect, test } from 'vitest'
import { instantOf, toInstant } from '../../src/db/instant.ts'
import { costOfConnection, costOfHistory, costOfIds } from '../../src/schema/cost.ts'

test('a page counts by its size, whichever way it is asked for', () => {
  expect(costOfConnection({})).toEqual({ field: 10, multiplier: 20 })
  expect(costOfConnection({ first: 7 }).multiplier).toBe(7)
  expect(costOfConnection({ last: 9 }).multiplier).toBe(9)
  expect(costOfConnection({ first: null, last: null }).multiplier).toBe(20)
})

test('no size makes a page free or endless', () => {
  for (const first of [0, -5, -(2 ** 31)]) expect(costOfConnection({ first }).multiplier).toBe(1)
  expect(costOfConnection({ first: 2 ** 31 - 1 }).multiplier).toBe(100)
})

test('a page under a filter may look through thousands of rows', () => {
  expect(costOfConnection({ first: 1, filter: {} }).field).toBe(500)
  expect(costOfConnection({ first: 1, filter: null }).field).toBe(10)
})

test('a list of ids counts by its length', () => {
  expect([0, 1, 100, 5_000].map((length) => costOfIds(Array(length)).multiplier)).toEqual([1, 1, 100, 100])
})

test('a history counts by its buckets, at least so many as there are', () => {
  const of = (from: string, to: string, bucket: 'HOUR' | 'DAY' | 'WEEK' | 'MONTH') =>
    costOfHistory({ from: toInstant(from), to: toInstant(to), bucket }).multiplier
  expect(of('2026-01-01T00:00:00.000000Z', '2026-01-02T00:00:00.000000Z', 'HOUR')).toBe(25)
  expect(of('2025-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z', 'MONTH')).toBeGreaterThanOrEqual(12)
  // In a March of Europe there are 31 days, of which one has 23 hours.
  expect(of('2025-03-01T00:00:00.000000Z', '2025-04-01T00:00:00.000000Z', 'DAY')).toBeGreaterThanOrEqual(31)
  expect(of('1000-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z', 'HOUR')).toBe(1_000)
  expect(of('2026-01-01T00:00:00.000000Z', '2025-01-01T00:00:00.000000Z', 'HOUR')).toBe(1)
})

test('a history that ends in the future counts until now', () => {
  const to = toInstant('9999-01-01T00:00:00.000000Z')
  const from = instantOf((Date.now() - 3_600_000) * 1_000)
  expect(costOfHistory({ from, to, bucket: 'HOUR' }).multiplier).toBeLessThanOrEqual(3)
})
