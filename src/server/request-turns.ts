/*
 * Turns for the requests of viewers. The event loop hands over all requests that have come, and each of them is worked on for
 * 50 to 250 µs at once: the next viewer waits behind a thousand connections of one. So while several viewers send requests,
 * each of them begins a few in one turn of the loop. The rest begin in later turns, a few of each viewer.
 *
 * As long as one viewer is alone, nothing waits and nothing is counted: postings that come together share batches.
 */

/** Requests of one viewer that begin in one turn: 1 ms of transfers. A transfer of another waits for some five turns. */
export const BEGUN_PER_TURN_MAX = 4
const SHARED_MS = 100

interface Line {
  /** In this turn. */
  begun: number
  /** What begins each request that waits. */
  waiting: (() => void)[]
}

export class RequestTurns {
  readonly #sharedMs: number
  readonly #lines = new Map<string, Line>()
  #lastViewer: string | undefined
  /** 0: one viewer is alone. */
  #sharedUntil = 0

  /** @param sharedMs how long after a request of another viewer the requests of one are counted. */
  constructor(sharedMs = SHARED_MS) {
    this.#sharedMs = sharedMs
  }

  /**
   * Asks to begin a request.
   *
   * @param viewer who sends it.
   * @returns undefined when it may begin at once; else resolves when it may.
   */
  take(viewer: string): Promise<void> | undefined {
    if (!this.#isShared(viewer)) return undefined
    let line = this.#lines.get(viewer)
    if (!line) {
      if (this.#lines.size === 0) setImmediate(this.#beginTurn)
      line = { begun: 0, waiting: [] }
      this.#lines.set(viewer, line)
    }
    if (line.begun < BEGUN_PER_TURN_MAX) {
      line.begun++
      return undefined
    }
    const { waiting } = line
    return new Promise((begin) => waiting.push(begin))
  }

  #isShared(viewer: string): boolean {
    if (viewer !== this.#lastViewer) {
      // The first viewer ever is alone.
      if (this.#lastViewer !== undefined) this.#sharedUntil = performance.now() + this.#sharedMs
      this.#lastViewer = viewer
    } else if (this.#sharedUntil !== 0 && this.#lines.size === 0 && performance.now() > this.#sharedUntil) {
      this.#sharedUntil = 0
    }
    return this.#sharedUntil !== 0
  }

  readonly #beginTurn = (): void => {
    for (const [viewer, line] of this.#lines) {
      if (line.waiting.length === 0) this.#lines.delete(viewer)
      const begins = line.waiting.splice(0, BEGUN_PER_TURN_MAX)
      line.begun = begins.length
      for (const begin of begins) begin()
    }
    if (this.#lines.size > 0) setImmediate(this.#beginTurn)
  }
}
