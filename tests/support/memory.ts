import { accessSync, constants, readFileSync, statfsSync } from 'node:fs'

const MEMORY = '/dev/shm'
/** The databases of a run, and their logs, take about one. */
const GIBIBYTES_MIN = 4

/**
 * A folder in memory, where Linux has one with room for what tests write. They make and drop hundreds of databases of three hundred files
 * each. One costs the kernel 20 ms of a processor in memory, and 30 to 250 ms on a disk that it also writes back. A crash of the machine
 * would lose them, and no test does that.
 */
export function findMemory(): string | undefined {
  try {
    accessSync(MEMORY, constants.W_OK)
    const { bavail, bsize } = statfsSync(MEMORY)
    if (bavail * bsize < GIBIBYTES_MIN * 2 ** 30) return undefined
    // Some tests start programs that they have copied.
    const mount = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .findLast((line) => line.split(' ')[1] === MEMORY)
    return mount === undefined || /\bnoexec\b/.test(mount) ? undefined : MEMORY
  } catch {
    return undefined
  }
}
