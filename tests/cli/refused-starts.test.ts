import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { expectRefusal, runCommand, runCommandHere } from '../support/command-line.ts'
import { databaseForTest } from '../support/database.ts'
import { useFolder } from '../support/folder.ts'

/* A start that cannot be says in a sentence what is wrong, and what to do. */

const DATA_DIR = useFolder()
const serve = (environment: Record<string, string>) =>
  runCommandHere(['serve'], { PORT: '0', DATA_DIR, ...environment })

async function listen(server: Server): Promise<AddressInfo> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return server.address() as AddressInfo
}

/** The tests' own server, with parts of its URL replaced. */
function urlWith(parts: Partial<Record<'pathname' | 'password' | 'username' | 'port' | 'hostname', string>>): string {
  const url = new URL(inject('postgres').serverUrl)
  Object.assign(url, parts)
  return url.href
}

test.each([
  ['has no password', { password: '' }, '', 'The database asks for a password, but DATABASE_URL has none.'],
  ['asks for SSL', {}, '?sslmode=no-verify', 'DATABASE_URL asks for SSL, but the database does not support it.'],
  ['is of read-only sessions', {}, '?options=-c%20default_transaction_read_only%3Don', /^The database is read-only/],
])('a DATABASE_URL that %s is reported in a sentence', async (_what, parts, query, sentence) => {
  expectRefusal(await serve({ DATABASE_URL: urlWith(parts) + query }), sentence)
})

test('a port in use is reported', async () => {
  const database = await databaseForTest()
  const { port } = await listen(createServer())
  expectRefusal(
    await serve({ DATABASE_URL: database.url, PORT: String(port) }),
    `Port ${port} is in use. Stop what uses it, or choose another with PORT.`,
  )
  expectRefusal(
    await serve({ DATABASE_URL: database.url, HOST: 'nohost.invalid' }),
    'Cannot listen on nohost.invalid (ENOTFOUND). Check HOST and PORT.',
  )
})

test('a PostgreSQL that is not there is reported', async () => {
  const DATABASE_URL = urlWith({ hostname: '127.0.0.1', port: '1', password: 'rosebud' })
  expectRefusal(
    await serve({ DATABASE_URL }),
    'The database cannot be reached at 127.0.0.1:1 (ECONNREFUSED). Is it running, and is DATABASE_URL right?',
  )
})

test('a name that is nobody is reported', async () => {
  const DATABASE_URL = 'postgres://ada:rosebud@nowhere.invalid/ledger'
  expectRefusal(await serve({ DATABASE_URL }), /^The database cannot be reached at nowhere\.invalid \(E\w+\)\./)
})

test('an address that does not speak PostgreSQL is reported', async () => {
  const stranger = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  const { port } = await listen(stranger)
  expectRefusal(
    await serve({ DATABASE_URL: `postgres://ada:rosebud@127.0.0.1:${port}/ledger` }),
    'The database did not answer in time. Is it running, and is DATABASE_URL right?',
  )
})

test('a wrong password, and a user who is not there, are reported', async () => {
  for (const parts of [{ password: 'rosebud' }, { username: 'rosebud' }]) {
    expectRefusal(
      await serve({ DATABASE_URL: urlWith(parts) }),
      'The database refused the user or the password in DATABASE_URL.',
    )
  }
})

test('a database that is not there is reported', async () => {
  expectRefusal(
    await serve({ DATABASE_URL: urlWith({ pathname: '/rosebud' }) }),
    'The database named in DATABASE_URL does not exist: create it first.',
  )
})

test('a role that may not make tables is reported', async () => {
  const database = await databaseForTest()
  const role = `thesaurum_guest_${randomUUID().replaceAll('-', '')}`
  await database.pool.query(`create role ${role} login password 'rosebud'; drop schema drizzle cascade`)
  onTestFinished(async () => void (await database.pool.query(`drop role ${role}`)))
  const url = new URL(database.url)
  Object.assign(url, { username: role, password: 'rosebud' })
  expectRefusal(
    await serve({ DATABASE_URL: url.href }),
    /^The database lacks \d+ of the migrations, and the role in DATABASE_URL may not run them\./,
  )
})

test('a start that fails in its last step ends, with all that it knows', async () => {
  const database = await databaseForTest()
  await database.pool.query('alter table transactions add constraint closed check (amount < 0) not valid')
  const run = runCommand(['serve'], { DATABASE_URL: database.url, PORT: '0', DATA_DIR })
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr()).toContain('violates check constraint "closed"')
})

test('a role that commits without waiting for the disk is reported', async () => {
  const database = await databaseForTest()
  const name = new URL(database.url).pathname.slice(1)
  await database.pool.query(`alter database ${name} set synchronous_commit = off`)
  expectRefusal(await serve({ DATABASE_URL: database.url }), /^synchronous_commit is off for this role or database/)
})

test('an address that is not of this machine is reported', async () => {
  const database = await databaseForTest()
  expectRefusal(
    await serve({ DATABASE_URL: database.url, HOST: '192.0.2.1' }),
    /^Cannot listen on 192\.0\.2\.1 \(EADDRNOTAVAIL\)\. Check HOST and PORT\.$/,
  )
})

describe('the environment', () => {
  test('all that is wrong with it is reported at once, without the values', async () => {
    const { code, stdout, stderr } = await serve({
      NODE_ENV: 'rosebud',
      PORT: 'rosebud',
      DATABASE_URL: 'mysql://rosebud@localhost/rosebud',
      PREPARED_STATEMENTS: 'rosebud',
      LOG_LEVEL: 'rosebud',
      OPERATION_DEADLINE_MS: '1',
    })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.trimEnd().split('\n')).toEqual([
      'NODE_ENV must be one of development, test, production',
      'PORT must be a whole number from 0 to 65535',
      'DATABASE_URL must look like postgres://user:password@host:5432/database',
      'PREPARED_STATEMENTS must be one of on, off',
      'LOG_LEVEL must be one of silent, fatal, error, warn, info, debug, trace',
      'OPERATION_DEADLINE_MS must be a whole number from 100 to 600000',
    ])
  })

  test('production says what it needs, before anything is made', async () => {
    const { code, stderr } = await serve({ NODE_ENV: 'production', DATA_DIR: join(DATA_DIR, 'none') })
    expect(code).toBe(1)
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^DATABASE_URL must be set when NODE_ENV is production: /),
      expect.stringMatching(/^TRUSTED_PROXY_COUNT must be set when NODE_ENV is production: /),
    ])
    expect(existsSync(join(DATA_DIR, 'none'))).toBe(false)
  })
})
