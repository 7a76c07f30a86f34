import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, onTestFinished, vi } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Run {
  child: ChildProcess
  /** All it has said so far. */
  stdout(): string
  stderr(): string
  /** Waits until it has said this on stdout; answers with the match. */
  waitFor(said: RegExp): Promise<RegExpExecArray>
  /** Waits until it is gone: its exit code, or the signal that killed it. */
  waitForExit(): Promise<number | NodeJS.Signals>
}

/** Runs the command line as it was built, in an environment that holds nothing but this. It is killed when the test ends. */
export function runCommand(
  command: string[],
  environment: Record<string, string> = {},
  program: string[] = ['--enable-source-maps', join(inject('build'), 'dist/main.js')],
): Run {
  const child = spawn(process.execPath, [...program, ...command], {
    cwd: ROOT,
    env: { PATH: '/usr/bin:/bin', LOG_LEVEL: 'warn', ...environment },
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
  }
}
