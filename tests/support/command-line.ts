import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format } from 'node:util'
import { expect, inject, onTestFinished, vi } from 'vitest'
import { runCommandLine } from '../../src/command-line.ts'
import { authorizationFor, OPERATOR_TOKENS } from './operator.ts'
import type { Answer } from './server.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Ending {
  /** Null: it was killed. */
  code: number | null
  stdout: string
  stderr: string
}

export interface Run {
  child: ChildProcess
  /** All it has said so far. */
  stdout(): string
  stderr(): string
  /** Waits until it has said this on stdout; answers with the match. */
  waitFor(said: RegExp): Promise<RegExpExecArray>
  /** Waits until it is gone: its exit code, or the signal that killed it. */
  waitForExit(): Promise<number | NodeJS.Signals>
  /** The same, with all that it said. */
  waitForEnding(): Promise<Ending>
}

/** All that a command is told by its environment. */
const environmentWith = (settings: Record<string, string>) => ({
  PATH: '/usr/bin:/bin',
  LOG_LEVEL: 'warn',
  ...settings,
})

/** Runs the command line as it was built, in an environment that holds nothing but this. It is killed when the test ends. */
export function runCommand(
  command: string[],
  environment: Record<string, string> = {},
  program: string[] = ['--enable-source-maps', join(inject('build'), 'dist/main.js')],
): Run {
  const child = spawn(process.execPath, [...program, ...command], {
    cwd: ROOT,
    env: environmentWith(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
    // In a process group of its own, as under a terminal.
    detached: true,
  })
  const gone = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await gone
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data) => {
    stdout += data
  })
  child.stderr.on('data', (data) => {
    stderr += data
  })
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    waitFor: (said) =>
      vi.waitFor(
        () => {
          const match = said.exec(stdout)
          if (match) return match
          expect(child.exitCode, `${stdout}\n${stderr}`).toBeNull()
          throw new Error(`waited for ${said} in:\n${stdout}\n${stderr}`)
        },
        { interval: 20 },
      ),
    async waitForExit() {
      const [code, signal] = await gone
      return code ?? (signal as NodeJS.Signals)
    },
    async waitForEnding() {
      const [code] = await gone
      return { code, stdout, stderr }
    },
  }
}

/** Waits until a server is ready; answers with its endpoint. Whoever asks it here is an operator, where it has a file with a token. */
export async function endpointOf(run: Run): Promise<string> {
  const [, endpoint = ''] = await run.waitFor(/Thesaurum is ready at (http:\/\/\S+\/graphql)/)
  const [, path] = /the token in (\S+):/.exec(run.stdout()) ?? []
  if (path) OPERATOR_TOKENS.set(new URL(endpoint).host, (await readFile(path, 'utf8')).trim())
  return endpoint
}

/** Asks a server that was started; as an operator, where its token is known. */
export async function askAt(
  endpoint: string,
  query: string,
  variables: Record<string, unknown> = {},
  operationName?: string,
): Promise<Answer> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorizationFor(endpoint) },
    body: JSON.stringify({ query, variables, operationName }),
  })
  return (await response.json()) as Answer
}

/** The same as a start of a command that ends by itself, but in this process: a start takes half a second of a processor. */
export async function runCommandHere(command: string[], environment: Record<string, string> = {}): Promise<Ending> {
  const printed = { stdout: '', stderr: '' }
  const printTo =
    (stream: keyof typeof printed) =>
    (...values: unknown[]) => {
      printed[stream] += `${format(...values)}\n`
    }
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(printTo('stdout')),
    vi.spyOn(console, 'error').mockImplementation(printTo('stderr')),
  ]
  const before = { env: process.env, exitCode: process.exitCode }
  process.env = environmentWith(environment)
  process.exitCode = undefined
  const stop = new AbortController()
  onTestFinished(() => stop.abort())
  try {
    const code = await runCommandLine(command, stop.signal, {
      writeOut: (text) => {
        printed.stdout += text
      },
      writeErr: (text) => {
        printed.stderr += text
      },
    })
    return { code: code || Number(process.exitCode ?? 0), ...printed }
  } finally {
    Object.assign(process, before)
    for (const spy of spies) spy.mockRestore()
  }
}

/** A person reads what is wrong: this one line, and nothing of the inside. */
export function expectRefusal({ code, stdout, stderr }: Ending, line: string | RegExp): void {
  expect(code).toBe(1)
  if (typeof line === 'string') expect(stderr).toBe(`${line}\n`)
  else expect(stderr.trimEnd()).toMatch(line)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stdout + stderr).not.toMatch(/^\s+at |\w+Error\b|node_modules|rosebud/m)
  expect(stdout).not.toContain('ready')
}
