import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Ask, createAccounts } from './runner/accounts.ts'
import { findK6, HOW_TO_GET_K6 } from './runner/k6.ts'
import { SUITES } from './runner/suites.ts'

/*
 * Runs one k6 suite against a server that is already up: finds k6, makes the accounts through the API, and hands them to the script
 * by a file. It ends with the exit code of k6: 99 where a threshold was missed.
 */

class Unready extends Error {}

const address = (process.env.THESAURUM_URL || 'http://localhost:4000').replace(/\/$/, '')

async function run(name: string | undefined): Promise<number> {
  const suite = name === undefined ? undefined : SUITES[name]
  if (!suite) throw new Unready(`Name one of the suites: ${Object.keys(SUITES).join(', ')}.`)
  const k6 = findK6()
  if (!k6) throw new Unready(HOW_TO_GET_K6)
  const users = knob('USERS', /^([2-9]|[1-9]\d+)$/, 'a whole number, at least 2')
  knob('VUS', /^[1-9]\d*$/, 'a whole number, at least 1')
  knob('DURATION', /^[1-9]\d*[sm]?$/, 'seconds or minutes, as in 30s or 2m')
  knob('P99_MS', /^[1-9]\d*$/, 'a whole number of milliseconds')
  await checkHealth()
  const token = await readToken()

  const started = performance.now()
  const accounts = await createAccounts(askWith(token), users ? { ...suite, users: Number(users) } : suite)
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  console.log(`${name}: ${accounts.length} accounts made at ${address} in ${seconds} s`)

  const folder = await mkdtemp(join(tmpdir(), 'thesaurum-load-'))
  try {
    const file = join(folder, 'accounts.json')
    await writeFile(file, JSON.stringify(accounts))
    return await runScript(k6, `${name}.ts`, { THESAURUM_URL: address, THESAURUM_TOKEN: token, ACCOUNTS_FILE: file })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function knob(name: string, form: RegExp, what: string): string | undefined {
  const value = process.env[name]
  if (value && !form.test(value)) throw new Unready(`${name} must be ${what}.`)
  return value
}

async function checkHealth(): Promise<void> {
  const response = await fetch(`${address}/health`).catch(() => undefined)
  if (response?.ok) return
  const cure = 'start one with `npm start`, or set THESAURUM_URL to the address of yours'
  throw new Unready(`No healthy server answers at ${address}: ${cure}.`)
}

/** From the environment, or what a server in development has left in its folder; empty where there is neither. */
async function readToken(): Promise<string> {
  if (process.env.THESAURUM_TOKEN) return process.env.THESAURUM_TOKEN
  const text = await readFile(join(process.env.DATA_DIR || '.data', 'operator-token'), 'utf8').catch(() => '')
  return text.trim()
}

function askWith(token: string): Ask {
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) }
  return async (query, variables) => {
    const body = JSON.stringify({ query, variables })
    const response = await fetch(`${address}/graphql`, { method: 'POST', headers, body })
    const text = await response.text()
    const { data, errors } = text.startsWith('{') ? JSON.parse(text) : { errors: text }
    if (response.ok && !errors) return data
    throw new Unready(`The accounts were not made: ${response.status} ${JSON.stringify(errors)?.slice(0, 300)}`)
  }
}

async function runScript(k6: string, script: string, environment: Record<string, string>): Promise<number> {
  const quiet = process.stdout.isTTY ? [] : ['--quiet']
  const child = spawn(k6, ['run', '--no-usage-report', '--address', '', ...quiet, script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, ...environment },
    stdio: 'inherit',
  })
  // A terminal tells k6 of Ctrl-C itself. It then ends with its summary, and only after that do we.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  const [code] = (await once(child, 'close')) as [number | null]
  return code ?? 1
}

try {
  process.exitCode = await run(process.argv[2])
} catch (error) {
  console.error(error instanceof Unready ? error.message : error)
  process.exitCode = 1
}
