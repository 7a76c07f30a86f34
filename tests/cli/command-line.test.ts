import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { WELCOME_QUERY } from '../../src/server/graphiql/welcome-query.ts'
import { type Run, runCommand } from '../support/command-line.ts'
import { openTestDatabase } from '../support/database.ts'
import { openClient } from '../support/graphql-transport.ts'
import { authorizationFor, OPERATOR_TOKENS } from '../support/operator.ts'
import type { Answer } from '../support/server.ts'

/** Used by one test after another: to make a database takes seconds. Every test leaves it stopped. */
let dataDir: string
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'thesaurum-command-'))
})
afterEach(async () => {
  // What a failed test has left running.
  const pid = await postmasterOf(dataDir)
  if (pid !== undefined && isRunning(pid)) process.kill(pid, 'SIGQUIT')
  await vi.waitFor(() => expect(pid !== undefined && isRunning(pid)).toBe(false))
})
afterAll(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }))

const serve = (environment: Record<string, string> = {}) =>
  runCommand(['serve'], { DATA_DIR: dataDir, PORT: '0', ...environment })

/** Waits for the banner; answers with the endpoint it tells. */
async function endpointOf(run: Run): Promise<string> {
  const [, endpoint] = await run.waitFor(/Thesaurum is ready at (http:\/\/\S+\/graphql)/)
  const [, path] = /the token in (\S+):/.exec(run.stdout()) ?? []
  if (path) OPERATOR_TOKENS.set(new URL(endpoint as string).host, (await readFile(path, 'utf8')).trim())
  return endpoint as string
}

async function ask(endpoint: string, query: string, variables: Record<string, unknown> = {}, operationName?: string) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorizationFor(endpoint) },
    body: JSON.stringify({ query, variables, operationName }),
  })
  return (await response.json()) as Answer
}

const DEPOSIT = `mutation ($key: UUID!, $userId: ID!) {
  deposit(input: { idempotencyKey: $key, userId: $userId, amount: 1 }) { ... on DepositSuccess { replayed } }
}`

/** The process id that PostgreSQL has written down, while it runs. */
async function postmasterOf(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').catch(() => '')
  return Number.parseInt(text, 10) || undefined
}

/** A zombie, which nobody has buried yet, does not count. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}

/** A person reads these: a few sentences on stderr, and nothing of the inside. */
async function expectRefusal(run: Run, sentence: string | RegExp): Promise<void> {
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr().trimEnd()).toMatch(sentence)
  expect(run.stderr().trimEnd().split('\n')).toHaveLength(1)
  expect(run.stdout() + run.stderr()).not.toMatch(/^\s+at |\w+Error\b|node_modules|rosebud/m)
  expect(run.stdout()).not.toContain('ready')
}

describe('serve, on its own PostgreSQL', () => {
  // Each start is the first on its data, then the second, then the third.
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'a start tells its address and answers the first query; %s stops server and database',
    async (signal) => {
      const run = serve()
      const endpoint = await endpointOf(run)
      const { data, errors } = await ask(endpoint, WELCOME_QUERY, {}, 'Account')
      expect(errors).toBeUndefined()
      expect(data.user.balance.amount).toBe('178755')
      expect(data.user.transactions.edges).toHaveLength(5)
      const postmaster = (await postmasterOf(dataDir)) as number
      expect(isRunning(postmaster)).toBe(true)

      run.child.kill(signal)
      expect(await run.waitForExit()).toBe(0)
      expect(run.stdout()).toContain(`Stopping (${signal})`)
      expect(run.stderr()).toBe('')
      expect(isRunning(postmaster)).toBe(false)
      await expect(fetch(endpoint)).rejects.toThrow()
    },
  )

  test('a signal while it starts stops it too, and leaves no PostgreSQL', async () => {
    const fresh = await mkdtemp(join(tmpdir(), 'thesaurum-first-'))
    onTestFinished(() => rm(fresh, { recursive: true, force: true, maxRetries: 10 }))
    const run = serve({ DATA_DIR: fresh })
    await run.waitFor(/Creating a PostgreSQL/)
    run.child.kill('SIGINT')
    expect(await run.waitForExit()).toBe(0)
    expect(await postmasterOf(fresh)).toBeUndefined()
  })

  test('watchers are sent away to come back, and do not hold up the stop', async () => {
    const run = serve()
    const endpoint = await endpointOf(run)
    const { data } = await ask(endpoint, '{ user(email: "ada@example.com") { id } }')
    const client = await openClient(endpoint.replace('http', 'ws'))
    client.subscribe('watch', { query: `subscription { entryPosted(userId: "${data.user.id}") { sequence } }` })
    expect(await client.drain()).toEqual([])
    run.child.kill('SIGTERM')
    expect(await client.waitForClose()).toMatchObject({ code: 1012 })
    expect(await run.waitForExit()).toBe(0)
  })

  test.each([
    ['the server alone', false],
    ['the server and PostgreSQL', true],
  ])(
    'kill -9 of %s loses nothing that was acknowledged, and the next start mends it by itself',
    async (_what, both) => {
      const first = serve()
      const endpoint = await endpointOf(first)
      const { data } = await ask(
        endpoint,
        'mutation ($email: String!) { createUser(input: { email: $email }) { ... on CreateUserSuccess { user { id } } } }',
        { email: `${randomUUID()}@example.com` },
      )
      const userId = data.createUser.user.id
      const acknowledged: string[] = []
      const unknown: string[] = []
      const post = async () => {
        while (unknown.length === 0) {
          const key = randomUUID()
          const answer = await ask(endpoint, DEPOSIT, { key, userId }).catch(() => undefined)
          if (answer?.data?.deposit.replayed === false) acknowledged.push(key)
          else unknown.push(key)
        }
      }
      const posting = Promise.all([post(), post(), post(), post()])
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(50), { interval: 5 })
      const postmaster = (await postmasterOf(dataDir)) as number
      if (both) process.kill(postmaster, 'SIGKILL')
      first.child.kill('SIGKILL')
      expect(await first.waitForExit()).toBe('SIGKILL')
      await posting
      await vi.waitFor(() => expect(isRunning(postmaster)).toBe(!both))

      const second = serve()
      const again = await endpointOf(second)
      const outcomes = await Promise.all(
        acknowledged.map(async (key) => (await ask(again, DEPOSIT, { key, userId })).data.deposit.replayed),
      )
      expect(outcomes.filter((replayed) => !replayed)).toEqual([])
      for (const key of unknown) await ask(again, DEPOSIT, { key, userId })
      const { data: after } = await ask(again, 'query ($id: ID!) { user(id: $id) { balance { amount sequence } } }', {
        id: userId,
      })
      const count = acknowledged.length + unknown.length
      expect(after.user.balance).toEqual({ amount: String(count), sequence: count })

      second.child.kill('SIGTERM')
      expect(await second.waitForExit()).toBe(0)
      expect(await postmasterOf(dataDir)).toBeUndefined()
      expect(isRunning(postmaster)).toBe(false)
    },
  )

  test('a second server on the same data is refused, and the first goes on', async () => {
    const first = serve()
    const endpoint = await endpointOf(first)
    for (const command of ['serve', 'seed']) {
      const second = runCommand([command], { DATA_DIR: dataDir, PORT: '0' })
      await expectRefusal(
        second,
        `Another Thesaurum server (process ${first.child.pid}) is already running on the data in ${dataDir}.`,
      )
    }
    expect((await ask(endpoint, '{ ledger { userCount } }')).errors).toBeUndefined()
    first.child.kill('SIGTERM')
    expect(await first.waitForExit()).toBe(0)
  })

  test('a port in use is told, and the database that was started for it is stopped', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    onTestFinished(() => void holder.close())
    const { port } = holder.address() as AddressInfo
    const run = serve({ PORT: String(port) })
    await expectRefusal(run, `Port ${port} is in use. Stop what uses it, or choose another with PORT.`)
    expect(await postmasterOf(dataDir)).toBeUndefined()
  })

  test('an address that is not of this machine is told, and the database is stopped', async () => {
    const run = serve({ HOST: '192.0.2.1' })
    await expectRefusal(run, /^Cannot listen on 192\.0\.2\.1 \(EADDRNOTAVAIL\)\. Check HOST and PORT\.$/)
    expect(await postmasterOf(dataDir)).toBeUndefined()
  })
})

describe('serve, on a PostgreSQL of its own', () => {
  /** The tests' own server, with parts of its URL replaced. */
  function urlWith(parts: Partial<Record<'pathname' | 'password' | 'username' | 'port' | 'hostname', string>>): string {
    const url = new URL(inject('postgres').serverUrl)
    Object.assign(url, parts)
    return url.href
  }

  test('serves the database of DATABASE_URL, and keeps nothing but the token of the demo operator, for its owner alone', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    const folder = join(tmpdir(), `thesaurum-none-${randomUUID()}`)
    const run = serve({ DATABASE_URL: database.url, DATA_DIR: folder })
    const endpoint = await endpointOf(run)
    expect((await ask(endpoint, WELCOME_QUERY, {}, 'Account')).data.user.balance.amount).toBe('178755')
    run.child.kill('SIGINT')
    expect(await run.waitForExit()).toBe(0)
    expect(await readdir(folder)).toEqual(['operator-token'])
    expect((await stat(join(folder, 'operator-token'))).mode & 0o777).toBe(0o600)
    await rm(folder, { recursive: true })
  })

  describe('while an operation is under way', () => {
    /** A server that has a deposit to answer, which waits for a lock until `free`. */
    async function serveBusy() {
      const database = await openTestDatabase()
      onTestFinished(() => database.close())
      const run = serve({ DATABASE_URL: database.url })
      const endpoint = await endpointOf(run)
      const { data } = await ask(endpoint, '{ user(email: "ada@example.com") { id } }')
      const holder = await database.pool.connect()
      onTestFinished(() => holder.release(true))
      await holder.query('begin; select from users for update')
      const answer = ask(endpoint, DEPOSIT, { key: randomUUID(), userId: data.user.id }).catch(() => 'cut')
      await vi.waitFor(async () => {
        const { rows } = await database.pool.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        expect(rows).toHaveLength(1)
      })
      return { run, answer, free: () => holder.query('commit') }
    }

    test('one Ctrl-C that is heard twice, from the terminal and from npm, is one', async () => {
      const { run, answer, free } = await serveBusy()
      // Two signals that the process finds when it goes on: so they are heard at once, on the slowest machine too.
      for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const) run.child.kill(signal)
      await run.waitFor(/Stopping \(SIG(INT|TERM)\)/)
      await free()
      expect(await answer).toEqual({ data: { deposit: { replayed: false } } })
      expect(await run.waitForExit()).toBe(0)
    })

    test('a second Ctrl-C does not wait for it', async () => {
      const { run, answer } = await serveBusy()
      run.child.kill('SIGINT')
      await run.waitFor(/Stopping \(SIGINT\)/)
      await vi.waitFor(
        () => {
          run.child.kill('SIGINT')
          expect(run.child.exitCode).not.toBeNull()
        },
        { interval: 100 },
      )
      expect(await run.waitForExit()).toBe(1)
      expect(await answer).toBe('cut')
    })
  })

  test.each([
    ['has no password', { password: '' }, '', 'The database asks for a password, but DATABASE_URL has none.'],
    ['asks for SSL', {}, '?sslmode=no-verify', 'DATABASE_URL asks for SSL, but the database does not support it.'],
    ['is of read-only sessions', {}, '?options=-c%20default_transaction_read_only%3Don', 'The database is read-only'],
  ])('a DATABASE_URL that %s is told in a sentence', async (_what, parts, query, sentence) => {
    await expectRefusal(serve({ DATABASE_URL: urlWith(parts) + query }), sentence)
  })

  test('a port in use is told', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    onTestFinished(() => void holder.close())
    const { port } = holder.address() as AddressInfo
    await expectRefusal(serve({ DATABASE_URL: database.url, PORT: String(port) }), `Port ${port} is in use.`)
    await expectRefusal(
      serve({ DATABASE_URL: database.url, HOST: 'nohost.invalid' }),
      'Cannot listen on nohost.invalid (ENOTFOUND). Check HOST and PORT.',
    )
  })

  test('a PostgreSQL that is not there is told', async () => {
    const DATABASE_URL = urlWith({ hostname: '127.0.0.1', port: '1', password: 'rosebud' })
    await expectRefusal(
      serve({ DATABASE_URL }),
      'The database cannot be reached at 127.0.0.1:1 (ECONNREFUSED). Is it running, and is DATABASE_URL right?',
    )
  })

  test('a name that is nobody is told', async () => {
    const DATABASE_URL = 'postgres://ada:rosebud@nowhere.invalid/ledger'
    await expectRefusal(serve({ DATABASE_URL }), /^The database cannot be reached at nowhere\.invalid \(E\w+\)\./)
  })

  test('an address that does not speak PostgreSQL is told', async () => {
    const stranger = createServer((socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    }).listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    onTestFinished(() => void stranger.close())
    const { port } = stranger.address() as AddressInfo
    await expectRefusal(
      serve({ DATABASE_URL: `postgres://ada:rosebud@127.0.0.1:${port}/ledger` }),
      'The database did not answer in time. Is it running, and is DATABASE_URL right?',
    )
  })

  test('a wrong password, and a user who is not there, are told', async () => {
    for (const parts of [{ password: 'rosebud' }, { username: 'rosebud' }]) {
      await expectRefusal(
        serve({ DATABASE_URL: urlWith(parts) }),
        'The database refused the user or the password in DATABASE_URL.',
      )
    }
  })

  test('a database that is not there is told', async () => {
    await expectRefusal(
      serve({ DATABASE_URL: urlWith({ pathname: '/rosebud' }) }),
      'The database named in DATABASE_URL does not exist: create it first.',
    )
  })

  test('a role that may not make tables is told', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    const role = `thesaurum_guest_${randomUUID().replaceAll('-', '')}`
    await database.pool.query(`create role ${role} login password 'rosebud'; drop schema drizzle cascade`)
    onTestFinished(async () => void (await database.pool.query(`drop role ${role}`)))
    const url = new URL(database.url)
    Object.assign(url, { username: role, password: 'rosebud' })
    await expectRefusal(
      serve({ DATABASE_URL: url.href }),
      /^The database lacks \d+ of the migrations, and the role in DATABASE_URL may not run them\./,
    )
  })

  test('a start that fails in its last step ends, with all that it knows', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    await database.pool.query('alter table transactions add constraint closed check (amount < 0) not valid')
    const run = serve({ DATABASE_URL: database.url })
    expect(await run.waitForExit()).toBe(1)
    expect(run.stderr()).toContain('violates check constraint "closed"')
  })

  test('a role that commits without waiting for the disk is told', async () => {
    const database = await openTestDatabase()
    onTestFinished(() => database.close())
    const name = new URL(database.url).pathname.slice(1)
    await database.pool.query(`alter database ${name} set synchronous_commit = off`)
    await expectRefusal(serve({ DATABASE_URL: database.url }), /^synchronous_commit is off for this role or database/)
  })
})

describe('the environment', () => {
  test('all that is wrong with it is told at once, without the values', async () => {
    const run = serve({
      NODE_ENV: 'rosebud',
      PORT: 'rosebud',
      DATABASE_URL: 'mysql://rosebud@localhost/rosebud',
      PREPARED_STATEMENTS: 'rosebud',
      LOG_LEVEL: 'rosebud',
      OPERATION_DEADLINE_MS: '1',
    })
    expect(await run.waitForExit()).toBe(1)
    expect(run.stdout()).toBe('')
    expect(run.stderr().trimEnd().split('\n')).toEqual([
      'NODE_ENV must be one of development, test, production',
      'PORT must be a whole number from 0 to 65535',
      'DATABASE_URL must look like postgres://user:password@host:5432/database',
      'PREPARED_STATEMENTS must be one of on, off',
      'LOG_LEVEL must be one of silent, fatal, error, warn, info, debug, trace',
      'OPERATION_DEADLINE_MS must be a whole number from 100 to 600000',
    ])
  })

  test('production says what it needs, before anything is made', async () => {
    const folder = join(tmpdir(), `thesaurum-none-${randomUUID()}`)
    const run = serve({ NODE_ENV: 'production', DATA_DIR: folder })
    expect(await run.waitForExit()).toBe(1)
    expect(run.stderr().trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^DATABASE_URL must be set when NODE_ENV is production: /),
      expect.stringMatching(/^TRUSTED_PROXY_COUNT must be set when NODE_ENV is production: /),
    ])
    await expect(readFile(folder)).rejects.toThrow('ENOENT')
  })
})

describe('the other commands', () => {
  /** A database with nothing in it. */
  async function emptyDatabase(): Promise<string> {
    const { serverUrl } = inject('postgres')
    const name = `thesaurum_empty_${randomUUID().replaceAll('-', '')}`
    const client = new pg.Client({ connectionString: serverUrl })
    await client.connect()
    await client.query(`create database ${name}`)
    onTestFinished(async () => {
      await client.query(`drop database ${name} with (force)`)
      await client.end()
    })
    const url = new URL(serverUrl)
    url.pathname = `/${name}`
    return url.href
  }

  async function rowsOf(url: string, statement: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(statement)).rows
    } finally {
      await client.end()
    }
  }

  test('migrate makes the tables and no user; seed tells the demo story once', async () => {
    const DATABASE_URL = await emptyDatabase()
    for (let times = 0; times < 2; times++) {
      const migrate = runCommand(['migrate'], { DATABASE_URL })
      expect(await migrate.waitForExit()).toBe(0)
      expect(migrate.stderr()).toBe('')
      expect(await rowsOf(DATABASE_URL, 'select from users')).toEqual([])
    }

    const seed = runCommand(['seed'], { DATABASE_URL })
    expect(await seed.waitForExit()).toBe(0)
    expect(seed.stdout()).toContain('The demo data is loaded.')
    expect(await rowsOf(DATABASE_URL, 'select from transactions')).toHaveLength(10)

    const again = runCommand(['seed'], { DATABASE_URL })
    expect(await again.waitForExit()).toBe(0)
    expect(again.stdout()).toContain('The ledger already has users: nothing was changed.')
    expect(await rowsOf(DATABASE_URL, 'select from transactions')).toHaveLength(10)
  })

  test('migrate without DATABASE_URL starts the embedded PostgreSQL for as long as it takes', async () => {
    const run = runCommand(['migrate'], { DATA_DIR: dataDir })
    expect(await run.waitForExit()).toBe(0)
    expect(await postmasterOf(dataDir)).toBeUndefined()
  })

  test('servers that start at once on an empty database migrate it once, and all of them serve', async () => {
    const DATABASE_URL = await emptyDatabase()
    const runs = [serve({ DATABASE_URL }), serve({ DATABASE_URL }), serve({ DATABASE_URL })]
    const counts = []
    for (const endpoint of await Promise.all(runs.map(endpointOf))) {
      counts.push((await ask(endpoint, '{ ledger { userCount transactionCount } }')).data.ledger)
    }
    expect(counts).toEqual(runs.map(() => ({ userCount: 5, transactionCount: 10 })))
    for (const run of runs) run.child.kill('SIGTERM')
    expect(await Promise.all(runs.map((run) => run.waitForExit()))).toEqual([0, 0, 0])
  })

  test('print-schema prints what schema.graphql holds, and needs no database', async () => {
    const run = runCommand(['print-schema'])
    expect(await run.waitForExit()).toBe(0)
    expect(run.stdout()).toBe(await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8'))
  })
})
