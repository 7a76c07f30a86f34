import { expect, test } from 'vitest'
import {
  decodeEntryCursor,
  decodeFeedCursor,
  decodeIdCursor,
  decodeTransactionCursor,
  encodeEntryCursor,
  encodeFeedCursor,
  encodeIdCursor,
  encodeTransactionCursor,
} from '../../src/ledger/model/cursor.ts'

/* Clients keep cursors. These were written down by hand from the layout, and must keep their meaning for ever. */

const era = '018f4e2a-7c1d-7000-8000-3b9d5f0c1e2a'
const id = '019a3b5c-0d2e-7f41-9a6b-c7d8e9fa0b1c'
const createdAt = '2026-01-31T23:59:59.000001Z'

test.each([
  ['AQGPTip8HXAAgAA7nV8MHioBmjtcDS5_QZprx9jp-gscAAAAAAAAACo', id, 42],
  // Of an id that is no UUID of any version.
  ['AQGPTip8HXAAgAA7nV8MHioRERERERERERERERERERERAAAAAAAAAAA', '11111111-1111-1111-1111-111111111111', 0],
  ['AQGPTip8HXAAgAA7nV8MHioBmjtcDS5_QZprx9jp-gscAB________8', id, 2 ** 53 - 1],
])('the cursor of an entry %s is still the same position', (text, accountId, sequence) => {
  expect(decodeEntryCursor(text)).toEqual({ era, accountId, sequence })
  expect(encodeEntryCursor({ era, accountId, sequence })).toBe(text)
})

test.each([
  ['users', 'AgABj04qfB1wAIAAO51fDB4qAZo7XA0uf0Gaa8fY6foLHA'],
  ['failedTransactions', 'AgIBj04qfB1wAIAAO51fDB4qAZo7XA0uf0Gaa8fY6foLHA'],
] as const)('the cursor of the list %s is still the same position', (list, text) => {
  expect(decodeIdCursor(text)).toEqual({ list, era, id })
  expect(encodeIdCursor({ list, era, id })).toBe(text)
})

test('the cursor of a transaction is still the same position', () => {
  const text = 'AwGPTip8HXAAgAA7nV8MHioABkm34yWdwQGaO1wNLn9BmmvH2On6Cxw'
  expect(decodeTransactionCursor(text)).toEqual({ era, createdAt, id })
  expect(encodeTransactionCursor({ era, createdAt, id })).toBe(text)
})

test.each([
  [
    'BAGPTip8HXAAgAA7nV8MHioABkm34yWdwQGaO1wNLn9BmmvH2On6CxwxOjI6MTs3MzU6ODAwOjczNSw3NDAsNzk5',
    { previous: '1:2:1', snapshot: '735:800:735,740,799', after: { createdAt, id } },
  ],
  [
    'BAGPTip8HXAAgAA7nV8MHioAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3MzU6NzM1Ojs3MzU6ODAwOjczNQ',
    { previous: '735:735:', snapshot: '735:800:735', after: null },
  ],
])('the cursor of the feed %s is still the same position', (text, position) => {
  expect(decodeFeedCursor(text)).toEqual({ era, ...position })
  expect(encodeFeedCursor({ era, ...position })).toBe(text)
})
