import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { findK6, HOW_TO_GET_K6 } from '../../load/runner/k6.ts'
import { runCommand } from '../support/command-line.ts'
import { serverForTest } from '../support/server.ts'

const PROGRAM = ['--import', 'tsx', 'load/run.ts']

async function openEmptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-load-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A folder whose k6 is this shell script. */
async function openStandIn(script: string): Promise<string> {
  const folder = await openEmptyFolder()
  await writeFile(join(folder, 'k6'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return folder
}

test('without k6, a suite says how to get it', async () => {
  const folder = await openEmptyFolder()
  const run = runCommand(['smoke'], { PATH: folder, HOME: folder }, PROGRAM)
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr()).toBe(`${HOW_TO_GET_K6}\n`)
  expect(run.stderr()).toContain('go install go.k6.io/k6@latest')
})

test('a suite that is not there is answered with those that are', async () => {
  const run = runCommand(['smoek'], {}, PROGRAM)
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr()).toMatch(/^Name one of the suites: stress, hot-account, .*\bsmoke\.\n$/)
})

/** The smoke suite with the k6 of this machine, if it has one. */
function runSmoke(environment: { DATA_DIR: string; THESAURUM_URL: string; THESAURUM_TOKEN: string }) {
  const k6 = findK6()
  const PATH = k6 ? dirname(k6) : ''
  return runCommand(['smoke'], { PATH, HOME: environment.DATA_DIR, DURATION: '2s', ...environment }, PROGRAM)
}

test('the smoke suite finds every answer right, or says how to get k6', async () => {
  const server = await serverForTest()
  const run = runSmoke({
    DATA_DIR: await openEmptyFolder(),
    THESAURUM_URL: server.address,
    THESAURUM_TOKEN: server.token,
  })
  const code = await run.waitForExit()
  if (!findK6()) {
    expect(code).toBe(1)
    expect(run.stderr()).toBe(`${HOW_TO_GET_K6}\n`)
    return
  }
  expect(code, `${run.stdout()}\n${run.stderr()}`).toBe(0)
  expect(run.stdout()).toMatch(/^conservation +holds$/m)
  expect(run.stdout()).toMatch(/^failures +0$/m)
  expect(run.stdout()).toMatch(/^frames +[1-9]/m)
  expect(await server.ask('{ ledger { verification { sound } } }')).toMatchObject({
    data: { ledger: { verification: { sound: true } } },
  })
})

test('a ledger that is not sound in the end fails the suite', async () => {
  const server = await serverForTest()
  const { data } = await server.ask(
    'mutation { createUser(input: { email: "a@example.org" }) { ... on CreateUserSuccess { user { id } } } }',
  )
  await server.ask('mutation ($input: DepositInput!) { deposit(input: $input) { __typename } }', {
    input: { idempotencyKey: randomUUID(), accountId: data.createUser.user.id, amount: 5 },
  })
  await server.database.pool.query(
    `insert into private.balance_checkpoints (account_id, sequence, balance, through, transaction_id)
     select destination_account_id, destination_sequence, amount + 1, created_at, id from transactions`,
  )
  const run = runSmoke({
    DATA_DIR: await openEmptyFolder(),
    THESAURUM_URL: server.address,
    THESAURUM_TOKEN: server.token,
  })
  const code = await run.waitForExit()
  if (!findK6()) {
    expect(run.stderr()).toBe(`${HOW_TO_GET_K6}\n`)
    return
  }
  expect(code, `${run.stdout()}\n${run.stderr()}`).toBe(99)
  expect(run.stdout()).toMatch(/^conservation +NOT SHOWN$/m)
})

test('a suite of a server that does not answer says where it looked', async () => {
  const folder = await openStandIn('exit 0')
  const environment = { PATH: folder, HOME: folder, THESAURUM_URL: 'http://127.0.0.1:9' }
  const run = runCommand(['smoke'], environment, PROGRAM)
  expect(await run.waitForExit()).toBe(1)
  expect(run.stderr()).toMatch(/^No healthy server answers at http:\/\/127\.0\.0\.1:9: .*\.\n$/)
})

test("the operator's token goes with every request and to k6, whose exit code is ours", async () => {
  const folder = await openStandIn('echo "k6 has $THESAURUM_TOKEN"; exit 99')
  await writeFile(join(folder, 'operator-token'), 'secret\n')
  const seen = new Set<string | undefined>()
  const server = createServer(async (request, response) => {
    if (request.url !== '/health') seen.add(request.headers.authorization)
    const { variables = {} } = JSON.parse((await text(request)) || '{}')
    response.end(
      JSON.stringify({
        data: Object.fromEntries(Object.keys(variables).map((name) => [name, { user: { id: name } }])),
      }),
    )
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  // Its accounts are empty: users are all that is asked for.
  const environment = {
    PATH: folder,
    HOME: folder,
    DATA_DIR: folder,
    THESAURUM_URL: `http://127.0.0.1:${port}`,
    USERS: '60',
  }
  const run = runCommand(['subscriptions'], environment, PROGRAM)
  expect(await run.waitForExit(), run.stderr()).toBe(99)
  expect(run.stdout()).toContain('k6 has secret\n')
  expect([...seen]).toEqual(['Bearer secret'])
})
