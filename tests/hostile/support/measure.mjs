import { Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/*
 * Preloaded into a built server (`node --import`): reports the port that the server listens on, and answers every message with a Measure
 * (see measured-server.ts). The server's own code is what `npm run build` makes of it.
 *
 * A stop of the event loop is taken from the wall clock and from the processor clock, whichever says less: on a machine where others work
 * too, a process that does nothing is not scheduled either.
 */

const TICK_MS = 5

let stopMsMax = 0
let gapMsMax = 0
let last = { at: performance.now(), cpu: process.cpuUsage() }
let cpuAtMeasure = process.cpuUsage()

/** @param {NodeJS.CpuUsage} usage */
const cpuMsOf = ({ user, system }) => (user + system) / 1_000

const look = () => {
  const now = { at: performance.now(), cpu: process.cpuUsage() }
  const gap = now.at - last.at
  stopMsMax = Math.max(stopMsMax, Math.min(gap, cpuMsOf(now.cpu) - cpuMsOf(last.cpu)))
  gapMsMax = Math.max(gapMsMax, gap)
  last = now
}
const startTicking = () => setInterval(look, TICK_MS).unref()
let ticking = startTicking()

const countResources = () => {
  const counts = {}
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

process.on('message', async () => {
  look()
  clearInterval(ticking)
  const times = { stopMsMax, gapMsMax, cpuMs: cpuMsOf(process.cpuUsage(cpuAtMeasure)) }
  const peakRssBytes = process.resourceUsage().maxRSS * 1024
  // Memory is given back piece by piece.
  for (let round = 0; round < 5; round++) {
    globalThis.gc?.()
    await sleep(50)
  }
  const { rss, heapUsed } = process.memoryUsage()
  process.send({ ...times, rssBytes: rss, peakRssBytes, heapBytes: heapUsed, resources: countResources() })
  stopMsMax = 0
  gapMsMax = 0
  cpuAtMeasure = process.cpuUsage()
  last = { at: performance.now(), cpu: process.cpuUsage() }
  ticking = startTicking()
})
// The channel to the tests must not keep the server from ending, nor let it outlive them.
process.channel?.unref()
process.on('disconnect', () => process.exit())

const { listen } = Server.prototype
Server.prototype.listen = function (...parameters) {
  this.once('listening', () => {
    const address = this.address()
    if (typeof address === 'object') process.send({ port: address.port })
  })
  return listen.apply(this, parameters)
}
