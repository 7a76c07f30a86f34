import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openPool } from '../../src/db/pool.ts'
import { openTestDatabase } from '../support/database.ts'

test('a connection that was given up counts until it is closed, and is cut when that takes too long', async () => {
  const database = await openTestDatabase()
  const pool = openPool({
    url: database.url,
    name: 'the pool',
    connectionsMax: 1,
    preparedStatements: true,
    connectTimeoutMs: 600_000,
    answerTimeoutMs: 600_000,
  })
  onTestFinished(async () => {
    await pool.end()
    await database.close()
  })
  const countBackends = async () => {
    const { rows } = await database.pool.query(
      `select count(*)::int as count from pg_stat_activity where application_name = 'the pool'`,
    )
    return rows[0].count
  }

  // It says no goodbye, as if statements before it were never answered.
  const end = vi.spyOn(pg.Client.prototype, 'end').mockImplementationOnce(function (this: pg.Client, closed?: unknown) {
    this.connection.once('end', closed as () => void)
    return Promise.resolve()
  })
  await expect(pool.query('select 1 / 0')).rejects.toThrow('division by zero')
  expect(end).toHaveBeenCalledOnce()
  const answer = pool.query('select pg_backend_pid() as pid')
  expect([pool.totalCount, pool.waitingCount, await countBackends()]).toEqual([0, 1, 1])
  expect((await answer).rows).toHaveLength(1)
  expect(await countBackends()).toBe(1)
})
