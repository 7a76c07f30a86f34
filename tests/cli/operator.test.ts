import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runCommandHere } from '../support/command-line.ts'
import { databaseForTest, type TestDatabase } from '../support/database.ts'
import { PRODUCTION } from '../support/production.ts'
import { openTestServer, serverForTest, useServer } from '../support/server.ts'
import { askWith, isGood, logIn, makePerson, tryLogin, untilBad } from '../support/sign-in.ts'

const server = useServer()

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-operator-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe('npm run operator', () => {
  const DATABASE = () => ({ DATABASE_URL: server.database.url, NODE_ENV: 'production', TRUSTED_PROXY_COUNT: '0' })
  /** Runs it; answers with the password it told. */
  async function operator(email: string): Promise<string> {
    const { code, stdout, stderr } = await runCommandHere(['operator', email], DATABASE())
    expect(code, stderr).toBe(0)
    const [, password] = /shown only this once:\s+(\S+)/.exec(stdout) ?? []
    return password as string
  }

  test('makes an operator, who signs in with the password it tells; done again, another one, and all sessions end', async () => {
    const first = await operator('Boss@Example.com')
    expect(first).toMatch(/^[A-Za-z0-9_-]{24}$/)
    const login = await tryLogin(server, 'boss@example.com', first)
    expect(login).toMatchObject({ user: { email: 'boss@example.com', role: 'OPERATOR' } })
    expect(await isGood(server, login.token)).toBe(true)
    const second = await operator('boss@example.com')
    expect(second).not.toBe(first)
    await untilBad(server, login.token)
    expect(await tryLogin(server, 'boss@example.com', first)).toMatchObject({ code: 'INVALID_CREDENTIALS' })
    expect(await tryLogin(server, 'boss@example.com', second)).toMatchObject({ user: { role: 'OPERATOR' } })
  })

  test('makes one of a user who is there, with the account they had', async () => {
    const anna = await makePerson(server)
    const token = await logIn(server, anna)
    const password = await operator(anna.email)
    await untilBad(server, token)
    expect(await tryLogin(server, anna.email, password)).toMatchObject({ user: { id: anna.id, role: 'OPERATOR' } })
  })

  test.each(['', 'rosebud', 'a@b@c', 'a b@example.com', '@example.com', `${'a'.repeat(300)}@example.com`])(
    'says whom it takes, and makes nobody of %j',
    async (email) => {
      expect(await runCommandHere(['operator', email], DATABASE())).toEqual({
        code: 2,
        stdout: '',
        stderr: 'This is not an e-mail address. Give one, as in: operator you@example.com\n',
      })
    },
  )
})

describe('in development', () => {
  async function develop(dataDir: string, database: TestDatabase, environment = {}) {
    const developing = await openTestServer({ NODE_ENV: 'development', DATA_DIR: dataDir, ...environment }, database)
    let closed: Promise<void> | undefined
    const close = () => {
      closed ??= developing.close()
      return closed
    }
    onTestFinished(close)
    return { ...developing, close }
  }
  const tokenIn = async (folder: string) => (await readFile(join(folder, 'operator-token'), 'utf8')).trim()
  const modeOf = async (folder: string) => (await stat(join(folder, 'operator-token'))).mode & 0o777

  test('the token of the demo operator is kept in a file for its owner, used again, and made anew for another database', async () => {
    const folder = await makeFolder()
    // What somebody left there is nobody's token, and open to all.
    await writeFile(join(folder, 'operator-token'), 'rosebud\n', { mode: 0o644 })
    const database = await databaseForTest()
    const first = await develop(folder, database)
    const token = await tokenIn(folder)
    expect(await modeOf(folder)).toBe(0o600)
    const { data } = await askWith(first, token, '{ viewer { email role } ledger { userCount } }')
    expect(data.viewer).toEqual({ email: 'demo-operator@thesaurum.invalid', role: 'OPERATOR' })
    await first.close()
    const second = await develop(folder, database)
    expect(await tokenIn(folder)).toBe(token)
    expect(await tryLogin(second, 'demo-operator@thesaurum.invalid', '')).toMatchObject({ code: 'INVALID_CREDENTIALS' })

    const another = await databaseForTest()
    const elsewhere = await develop(folder, another)
    const other = await tokenIn(folder)
    expect(other).not.toBe(token)
    expect(await modeOf(folder)).toBe(0o600)
    expect([await isGood(elsewhere, other), await isGood(elsewhere, token)]).toEqual([true, false])
  })

  test('a file that others can read is shut when its token is used again', async () => {
    const folder = await makeFolder()
    const database = await databaseForTest()
    await (await develop(folder, database)).close()
    await chmod(join(folder, 'operator-token'), 0o644)
    await develop(folder, database)
    expect(await modeOf(folder)).toBe(0o600)
  })

  describe('GraphiQL', () => {
    /** The page as it is sent to somebody. */
    async function pageFor(address: string, headers: Record<string, string> = {}): Promise<string> {
      const asked = request(`${address}/graphql`, { headers: { accept: 'text/html', ...headers }, agent: false })
      const response = await new Promise<IncomingMessage>((resolve, reject) =>
        asked.on('response', resolve).on('error', reject).end(),
      )
      const page = await text(response)
      expect([response.statusCode, page.includes('GraphiQL') || page.includes('graphiql')]).toEqual([200, true])
      // What was made for one is for nobody else.
      if (page.includes('thesaurum_session_')) expect(response.headers['cache-control']).toBe('no-store')
      return page
    }

    test('has the demo token in its headers only where browser and name are of this machine', async () => {
      const folder = await makeFolder()
      const database = await databaseForTest()
      const { address } = await develop(folder, database, { HOST: '0.0.0.0' })
      const token = await tokenIn(folder)
      const { port } = new URL(address)
      for (const name of ['localhost', '127.0.0.1', '[::1]', 'LocalHost'])
        expect(await pageFor(`http://127.0.0.1:${port}`, { host: `${name}:${port}` }), name).toContain(token)
      const strangers: Record<string, string>[] = [
        { host: 'evil.example.com' },
        { host: `localhost.evil.example.com:${port}` },
        { host: `127.0.0.1.nip.io:${port}` },
        { host: `localhost@evil.example.com` },
        { 'x-forwarded-for': '192.0.2.1' },
        { forwarded: 'for=192.0.2.1' },
        { 'x-forwarded-host': 'evil.example.com' },
        { 'x-real-ip': '192.0.2.1' },
        { via: '1.1 proxy' },
      ]
      for (const headers of strangers)
        expect(await pageFor(`http://127.0.0.1:${port}`, headers), JSON.stringify(headers)).not.toContain('thesaurum_')
      const outside = Object.values(networkInterfaces())
        .flatMap((addresses) => addresses ?? [])
        .find(({ family, internal }) => family === 'IPv4' && !internal)
      if (outside)
        expect(await pageFor(`http://${outside.address}:${port}`, { host: `localhost:${port}` })).not.toContain(
          'thesaurum_',
        )
    })

    test.each([
      { NODE_ENV: 'test' },
      { NODE_ENV: 'production', GRAPHIQL: 'on', TRUSTED_PROXY_COUNT: '0', DATABASE_URL: 'postgres://localhost/set' },
    ] as const)('has no token with %j, though one lies in the folder', async (environment) => {
      const folder = await makeFolder()
      await (await develop(folder, server.database)).close()
      const closed = await serverForTest({ ...environment, DATA_DIR: folder }, server.database)
      expect(await pageFor(closed.address)).not.toContain('thesaurum_')
    })
  })
})

test('the demo operator of a development server is nobody once production has started on the same database', async () => {
  const database = await databaseForTest()
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-demo-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const development = await openTestServer({ NODE_ENV: 'development', DATA_DIR: folder }, database)
  await development.close()
  const token = (await readFile(join(folder, 'operator-token'), 'utf8')).trim()
  const production = await serverForTest({ ...PRODUCTION }, database)
  const response = await fetch(production.endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: '{ "query": "{ viewer { role } }" }',
  })
  expect(response.status).toBe(401)
  await response.body?.cancel()
})
