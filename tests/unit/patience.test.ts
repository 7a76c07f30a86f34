import pg from 'pg'
import { expect, test } from 'vitest'
import { Patience } from '../../src/ledger/feed/patience.ts'

const said = (code: string) =>
  new Error('Failed query', {
    cause: Object.assign(new pg.DatabaseError('said', 4, 'error'), { severity: 'ERROR', code }),
  })

test.each([
  ['is away', '57P01', undefined],
  ['has a schema that is newer than this server', '42703', undefined],
  ['answers too late', '57014', 'timed-out'],
  ['refuses the statement', '22012', 'failed'],
])('a read is given up after three failures, or never: the database %s', (_what, code, reason) => {
  const patience = new Patience()
  const reasons = [1, 2, 3].map(() => patience.failed(said(code)))
  expect(reasons).toEqual([undefined, undefined, reason])
})
