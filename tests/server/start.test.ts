import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/server/log.ts'
import { openServer } from '../../src/server/server.ts'
import { databaseForTest, type TestDatabase } from '../support/database.ts'

/* A start that fails releases all that it opened: nothing of it stays connected to PostgreSQL. */

async function database(): Promise<TestDatabase> {
  const opened = await databaseForTest()
  return opened
}

function start({ url }: TestDatabase, environment: Record<string, string>) {
  const config = readConfig({ NODE_ENV: 'test', DATABASE_URL: url, PORT: '0', LOG_LEVEL: 'silent', ...environment })
  return openServer(config, url, createLogger('silent', { write: () => true }))
}

async function connections({ pool }: TestDatabase): Promise<string[]> {
  const { rows } = await pool.query(
    "select application_name from pg_stat_activity where datname = current_database() and application_name like 'thesaurum%'",
  )
  return rows.map((row) => row.application_name)
}

test('a port that is in use leaves nothing open', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => taken.close(() => resolve())))
  const address = taken.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen')
  const ledger = await database()
  const starting = start(ledger, { HOST: '127.0.0.1', PORT: String(address.port) })
  await expect(starting).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await expect.poll(() => connections(ledger)).toEqual([])
})

test.each([
  ['the ledger cannot be opened', 'drop table private.ledger', {}],
  [
    'the demo sessions cannot be ended',
    'drop table public.users',
    { NODE_ENV: 'production', TRUSTED_PROXY_COUNT: '0' },
  ],
])('when %s, nothing stays open', async (_step, damage, environment) => {
  const ledger = await database()
  await ledger.pool.query(`${damage} cascade`)
  await expect(start(ledger, environment)).rejects.toThrow()
  await expect.poll(() => connections(ledger)).toEqual([])
})

test('a server that was closed leaves nothing open', async () => {
  const ledger = await database()
  const server = await start(ledger, {})
  expect(await connections(ledger)).not.toEqual([])
  await server.close()
  await expect.poll(() => connections(ledger)).toEqual([])
})
