import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inject, vi } from 'vitest'

/** A server process of its own, in a process group of its own like one that a terminal starts: see embedded-owner.mjs. */
export interface OwnerProcess {
  readonly child: ChildProcess
  /** All that it has told, one object a line. */
  readonly heard: readonly Record<string, string>[]
  waitFor(key: 'url' | 'refused' | 'interrupted'): Promise<string>
  /** Sends the signal, unless it is gone, and waits until it is. */
  end(signal: NodeJS.Signals): Promise<void>
}

export function spawnOwner(options: {
  dataDir: string
  cwd: string
  /** An embedded.js other than the build's. */
  program?: string
  /** Whom it becomes, once it is loaded. */
  uid?: number
  gid?: number
}): OwnerProcess {
  const { dataDir, cwd, program = join(inject('build'), 'dist/db/embedded/embedded.js'), uid = '', gid = '' } = options
  const script = fileURLToPath(new URL('./embedded-owner.mjs', import.meta.url))
  const parameters = [script, dataDir, program, `${uid}`, `${gid}`]
  const child = spawn(process.execPath, parameters, {
    cwd,
    env: { HOME: cwd, TMPDIR: cwd, PATH: '/usr/bin:/bin' },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'close')
  const heard: Record<string, string>[] = []
  createInterface(child.stdout).on('line', (line) => heard.push(JSON.parse(line)))
  return {
    child,
    heard,
    waitFor(key) {
      const look = () => {
        const said = heard.find((line) => key in line)?.[key]
        if (said === undefined) throw new Error(`no ${key} in ${JSON.stringify(heard)}`)
        return said
      }
      return vi.waitFor(look, { interval: 10 })
    },
    async end(signal) {
      child.kill(signal)
      await gone
    },
  }
}
