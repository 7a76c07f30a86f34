import { validate, version } from 'uuid'
import { expect, onTestFinished, test, vi } from 'vitest'
import { makeRowId } from '../../src/ledger/model/row-id.ts'

/** Later than any id that was made before. */
const NOW = Date.UTC(2999, 0)

test('ids are version 7 UUIDs of now, each later than the one before, however many are made at once', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW })
  onTestFinished(() => void vi.useRealTimers())
  const ids = Array.from({ length: 20_000 }, makeRowId)
  expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true)
  expect([...ids].sort()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
  const millisecondsOf = (id: string) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
  expect(new Set(ids.map(millisecondsOf))).toEqual(new Set([NOW]))
  // Whatever they are made of, it is not used twice.
  expect(new Set(ids.map((id) => id.slice(-12))).size).toBe(ids.length)
})
