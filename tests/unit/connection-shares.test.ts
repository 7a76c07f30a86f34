import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import {
  CONNECTIONS_DEFAULT,
  CONNECTIONS_MIN,
  type ConnectionShares,
  shareConnections,
} from '../../src/db/connection-shares.ts'

const sumOf = (shares: ConnectionShares) => Object.values(shares).reduce((sum, share) => sum + share, 0)
const TOTALS = Array.from({ length: 300 }, (_, index) => CONNECTIONS_MIN + index)

test('the shares are the connections of the process, neither more nor fewer', () => {
  for (const total of TOTALS) expect(sumOf(shareConnections(total))).toBe(total)
})

test('with more connections no part has fewer', () => {
  for (const total of TOTALS) {
    const [before, after] = [shareConnections(total), shareConnections(total + 1)]
    for (const [part, share] of Object.entries(before)) {
      expect(after[part as keyof ConnectionShares], `${part} of ${total + 1}`).toBeGreaterThanOrEqual(share)
    }
  }
})

test('the smallest, the default, and a large number', () => {
  expect(shareConnections(CONNECTIONS_MIN)).toEqual({
    posting: 2,
    waiting: 1,
    recording: 1,
    reading: 2,
    verifying: 2,
    settling: 1,
    feeding: 1,
    checking: 1,
    signingIn: 1,
    cleaning: 1,
    listening: 2,
  })
  const usual = {
    posting: 4,
    waiting: 8,
    recording: 2,
    reading: 10,
    verifying: 2,
    settling: 2,
    feeding: 3,
    checking: 2,
    signingIn: 2,
    cleaning: 1,
    listening: 2,
  }
  expect(shareConnections(CONNECTIONS_DEFAULT)).toEqual(usual)
  expect(shareConnections(100)).toEqual({ ...usual, reading: 72 })
})

test('fewer than the parts need are refused', () => {
  expect(() => shareConnections(CONNECTIONS_MIN - 1)).toThrow(RangeError)
})

test('the setting has the default and the minimum of the parts', () => {
  expect(readConfig({}).DATABASE_CONNECTIONS_MAX).toBe(CONNECTIONS_DEFAULT)
  const read = (value: number) => readConfig({ DATABASE_CONNECTIONS_MAX: `${value}` }).DATABASE_CONNECTIONS_MAX
  expect(read(CONNECTIONS_MIN)).toBe(CONNECTIONS_MIN)
  expect(() => read(CONNECTIONS_MIN - 1)).toThrow(
    `DATABASE_CONNECTIONS_MAX must be a whole number from ${CONNECTIONS_MIN} to 1000`,
  )
})
