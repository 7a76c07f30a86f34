import pg from 'pg'
import { expect, test } from 'vitest'
import { isStatementError, remedyFor } from '../../src/db/sqlstate.ts'

const said = (severity: string, code: string) =>
  new Error('Failed query', { cause: Object.assign(new pg.DatabaseError('said', 4, 'error'), { severity, code }) })

test.each(['40001', '23505', '23514', '22003', 'XX000'])('an error with %s is of the statement alone', (code) => {
  expect(isStatementError(said('ERROR', code))).toBe(true)
})

test.each([
  ['FATAL', '57P01'],
  ['FATAL', '40001'],
  // A pooler that has lost the server's session, at whatever statement: it may have been a COMMIT that was carried out.
  ['ERROR', '08P01'],
  ['ERROR', '08006'],
  ['ERROR', '57P01'],
])('%s with %s says nothing of the fate of the statement', (severity, code) => {
  expect(isStatementError(said(severity, code))).toBe(false)
})

test('an error of the connection is none of the statement', () => {
  expect(isStatementError(new Error('Connection terminated unexpectedly'))).toBe(false)
})

test.each([
  ['40001', 'again'],
  ['40P01', 'again'],
  ['55P03', 'again'],
  ['57P01', 'reconnect'],
  ['08006', 'reconnect'],
  ['53300', 'reconnect'],
  ['25006', 'reconnect'],
  ['42703', 'upgrade'],
  ['42P01', 'upgrade'],
  ['23505', 'fault'],
  ['23514', 'fault'],
])('the remedy for %s is %s', (code, remedy) => {
  expect(remedyFor(said('ERROR', code))).toBe(remedy)
})
