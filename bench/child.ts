import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { SliceRequest, SliceResult } from './generator.ts'

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** A server in a process of its own. */
export interface ServerProcess {
  address: string
  token: string | null
  /** Processor seconds so far; NaN where the system does not tell. */
  cpuSeconds(): number
  close(): Promise<void>
}

/**
 * @param file the program, beside this one. Its first line says where it listens; it ends when its standard input does, and so also
 *   with us, however we end.
 * @param nodeOptions for Node itself.
 */
export async function startServer(
  file: string,
  environment: Readonly<Record<string, string>>,
  nodeOptions: readonly string[] = [],
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [...nodeOptions, '--import', 'tsx', pathOf(file)], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} did not start: exit code ${code}`))),
  ])
  const { address, token } = JSON.parse(line) as { address: string; token: string | null }
  return {
    address,
    token,
    cpuSeconds: () => cpuSecondsOf(child.pid as number),
    async close() {
      child.stdin.end()
      await exitOf(child)
    },
  }
}

/** Linux counts in hundredths of a second. */
function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return Number.NaN
  }
}

async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/**
 * `serve`, run from the sources in a process of its own. What it prints of warnings and errors goes to standard error.
 *
 * @returns the process, which its caller ends, and where it listens, as in `localhost:4000`.
 */
export async function startServe(
  environment: Readonly<Record<string, string>>,
): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'serve'], {
    env: { ...process.env, NODE_ENV: 'test', PORT: '0', LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const address = await new Promise<string>((resolve, reject) => {
    let printed = ''
    child.stdout?.on('data', (chunk) => {
      printed += chunk
      const ready = /ready at http:\/\/(\S+)\/graphql/.exec(printed)?.[1]
      if (ready) resolve(ready)
    })
    child.once('exit', () => reject(new Error(`the server did not start: ${printed}`)))
  })
  return { child, address }
}

/** The generator of load, in a process of its own. */
export interface GeneratorProcess {
  run(slice: SliceRequest): Promise<SliceResult>
  close(): Promise<void>
}

export function startGenerator(): GeneratorProcess {
  const child = fork(pathOf('generator.ts'), [], { execArgv: ['--import', 'tsx'], serialization: 'advanced' })
  const ended = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`the generator ended: exit code ${code}`)),
  )
  // At the end of the benchmark nobody waits for it.
  ended.catch(() => {})
  return {
    async run(slice) {
      child.send(slice)
      const [result] = await Promise.race([once(child, 'message'), ended])
      return result as SliceResult
    },
    async close() {
      if (child.connected) child.disconnect()
      await exitOf(child)
    },
  }
}
