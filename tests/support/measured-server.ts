import { setTimeout as sleep } from 'node:timers/promises'
import { readConfig } from '../../src/config.ts'
import { createLogger } from '../../src/server/log.ts'
import { openServer } from '../../src/server/server.ts'

/*
 * A server in a process of its own that tells what it costs; started by hostile.test.ts with --expose-gc.
 *
 * How long its event loop stood still is asked of the clock and of the processor alike: on a machine where others work too, a process
 * that does nothing stands still by itself. Of a stop only the time counts in which it was really at work.
 */

export interface Measure {
  /** After a collection of everything that is garbage. */
  rssBytes: number
  heapBytes: number
  /** The longest time the event loop stood still and worked, since the measure before. */
  stopMsMax: number
  /** The same by the clock alone. */
  gapMsMax: number
  cpuMs: number
  /** Lines of log so far. */
  logged: string[]
}

const TICK_MS = 5

let stopMsMax = 0
let gapMsMax = 0
let last = { at: performance.now(), cpu: process.cpuUsage() }
const cpuMsOf = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1_000
const look = () => {
  const now = { at: performance.now(), cpu: process.cpuUsage() }
  const gap = now.at - last.at
  stopMsMax = Math.max(stopMsMax, Math.min(gap, cpuMsOf(now.cpu) - cpuMsOf(last.cpu)))
  gapMsMax = Math.max(gapMsMax, gap)
  last = now
}

const config = readConfig()
const logged: string[] = []
const logger = createLogger(config.LOG_LEVEL, { write: (line: string) => logged.push(line) })
const server = await openServer(config, config.DATABASE_URL as string, logger)
let ticking = setInterval(look, TICK_MS)
let cpuAtMeasure = process.cpuUsage()

process.on('message', async () => {
  look()
  clearInterval(ticking)
  const told = { stopMsMax, gapMsMax, cpuMs: cpuMsOf(process.cpuUsage(cpuAtMeasure)) }
  // Memory is given back piece by piece.
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.()
    await sleep(50)
  }
  const { rss, heapUsed } = process.memoryUsage()
  process.send?.({ ...told, rssBytes: rss, heapBytes: heapUsed, logged } satisfies Measure)
  stopMsMax = 0
  gapMsMax = 0
  cpuAtMeasure = process.cpuUsage()
  last = { at: performance.now(), cpu: process.cpuUsage() }
  ticking = setInterval(look, TICK_MS)
})
process.on('disconnect', () => process.exit())
process.send?.({ address: server.address })
