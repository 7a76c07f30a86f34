import { isFairShare } from '../../ledger/model/fair-share.ts'

/*
 * Turns for operations that keep the event loop busy for long. Each viewer has a line of its own, and is paced: how long the
 * loop was busy when an operation started is measured, and the next one of the same viewer starts after a multiple of that.
 * So the server has time for others, however many operations one viewer sends at once, on a fast machine and on a slow one.
 *
 *   waiting → running     fewer than RUNNING_MAX of the viewer run, and the pause after the one before is over
 *   waiting → refused     the deadline is over
 *   running → done        `release`, or the end of the lease
 *
 * What waits is held in memory, so its size is bounded; viewers share the space (see `isFairShare`). What has no space is
 * refused, after a pause: a client that sends it again at once costs the server little.
 */

/** Operations of one viewer that run side by side: one that waits for a locked account does not hold up the others. */
const RUNNING_MAX = 4
/**
 * To read a call of 1,000 transfers takes 20 ms, and to write its answer as much again: one viewer has a quarter of the loop
 * for this, at most.
 */
const PAUSE_RATIO = 8
const PAUSE_MAX_MS = 2_000
/** Of all viewers together: operations that wait or run. */
const BYTES_MAX = 48 * 2 ** 20
const REFUSAL_PAUSE_MS = 1_000
/** An operation that never ends does not keep its place for ever. */
const LEASE_MS = 60_000

export interface ViewerTurnsOptions {
  /** How long an operation waits for its turn. */
  deadlineMs: number
  bytesMax?: number
  refusalPauseMs?: number
}

interface Line {
  /** What starts each operation that waits. */
  waiting: (() => void)[]
  running: number
  /** Of what waits or runs. */
  bytes: number
  /** While the one that was started last keeps the event loop. */
  isStarting: boolean
  /** When the next one may start. */
  nextAt: number
  timer: NodeJS.Timeout | undefined
}

const newLine = (): Line => ({
  waiting: [],
  running: 0,
  bytes: 0,
  isStarting: false,
  nextAt: 0,
  timer: undefined,
})

export class ViewerTurns {
  readonly #options: Required<ViewerTurnsOptions>
  readonly #lines = new Map<string, Line>()
  #bytes = 0

  constructor(options: ViewerTurnsOptions) {
    this.#options = {
      bytesMax: BYTES_MAX,
      refusalPauseMs: REFUSAL_PAUSE_MS,
      ...options,
    }
  }

  /** How many viewers have an operation that waits or runs, or had one a moment ago. */
  get viewerCount(): number {
    return this.#lines.size
  }

  /**
   * Waits for a turn.
   *
   * @param bytes about how large the operation is.
   * @returns a function that ends the turn; undefined: there was no space, or no turn in time.
   */
  async take(viewerKey: string, bytes: number): Promise<(() => void) | undefined> {
    const { bytesMax, deadlineMs, refusalPauseMs } = this.#options
    const line = this.#lines.get(viewerKey) ?? newLine()
    if (!isFairShare(line.bytes, bytes, this.#bytes, bytesMax)) {
      await new Promise((resolve) => setTimeout(resolve, refusalPauseMs))
      return undefined
    }
    this.#lines.set(viewerKey, line)
    line.bytes += bytes
    this.#bytes += bytes
    let isDone = false
    const end = (wasRunning: boolean) => {
      if (isDone) return
      isDone = true
      if (wasRunning) line.running--
      line.bytes -= bytes
      this.#bytes -= bytes
      this.#advance(viewerKey, line)
    }
    return new Promise((resolve) => {
      const start = () => {
        clearTimeout(timer)
        const lease = setTimeout(() => end(true), LEASE_MS).unref()
        resolve(() => {
          clearTimeout(lease)
          end(true)
        })
      }
      const timer = setTimeout(() => {
        line.waiting.splice(line.waiting.indexOf(start), 1)
        end(false)
        resolve(undefined)
      }, deadlineMs)
      line.waiting.push(start)
      this.#advance(viewerKey, line)
    })
  }

  #advance(viewerKey: string, line: Line): void {
    if (line.isStarting) return
    clearTimeout(line.timer)
    const now = performance.now()
    if (line.nextAt > now) {
      line.timer = setTimeout(() => this.#advance(viewerKey, line), line.nextAt - now).unref()
      return
    }
    const start = line.running < RUNNING_MAX ? line.waiting.shift() : undefined
    if (start) {
      line.running++
      line.isStarting = true
      start()
      // When this turn of the event loop is over, so is the operation's first part: its variables have been read.
      setImmediate(() => {
        const busyMs = performance.now() - now
        line.isStarting = false
        line.nextAt = performance.now() + Math.min(PAUSE_MAX_MS, PAUSE_RATIO * busyMs)
        this.#advance(viewerKey, line)
      })
    } else if (line.bytes === 0) this.#lines.delete(viewerKey)
  }
}
