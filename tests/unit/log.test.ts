import { DrizzleQueryError } from 'drizzle-orm'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createLogger } from '../../src/server/log.ts'

const CANARY = 'canary-Zq7'

test('an error is logged with its causes, and without what it was working on', () => {
  const cause = Object.assign(new pg.DatabaseError('duplicate key value', 1, 'error'), {
    code: '23505',
    constraint: 'users_email_unique',
    detail: `Key (email)=(${CANARY}) already exists.`,
    where: CANARY,
  })
  const lines: string[] = []
  const logger = createLogger('info', { write: (line: string) => lines.push(line) })
  logger.error({ err: new DrizzleQueryError('insert into users values ($1)', [CANARY], cause) }, 'an operation failed')
  expect(lines.join()).not.toContain(CANARY)
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    msg: 'an operation failed',
    err: {
      message: 'Failed query: insert into users values ($1)',
      stack: expect.stringContaining('log.test.ts'),
      cause: { message: 'duplicate key value', code: '23505', constraint: 'users_email_unique' },
    },
  })
})

test('what is no error, and what is its own cause, is logged too', () => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line: string) => lines.push(line) })
  const own = new Error('of itself')
  own.cause = own
  logger.error({ err: own })
  logger.error({ err: 'a text' })
  expect(lines).toHaveLength(2)
})

test('the value that PostgreSQL could not read is not logged', () => {
  const lines: string[] = []
  const logger = createLogger('info', { write: (line: string) => lines.push(line) })
  const cause = Object.assign(new pg.DatabaseError(`invalid input syntax for type uuid: "${CANARY}"`, 1, 'error'), {
    code: '22P02',
  })
  logger.error({ err: cause })
  logger.error({ err: new DrizzleQueryError(`select ${'x'.repeat(5_000)}`, [CANARY], cause) })
  expect(lines.join()).not.toContain(CANARY)
  expect(lines.join()).toContain('invalid input syntax for type uuid')
  expect(lines[1]?.length).toBeLessThan(5_000)
})
