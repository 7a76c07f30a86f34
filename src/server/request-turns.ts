/*
 * Turns for the requests of viewers. In one turn, the event loop hands over all requests that have come, and each takes 50 to
 * 250 µs. So a viewer would wait behind a thousand connections of another. While several viewers send requests, each viewer
 * begins only a few of them in one turn of the loop, and the rest in later turns.
 *
 *   alone     nothing is counted and nothing waits, so that postings that come together share batches
 *   shared    for SHARED_MS after the viewer changed: requests are counted by viewer, and those beyond the limit wait
 */

/** Requests of one viewer that begin in one turn: about 1 ms of transfers. A transfer takes some five turns of the loop. */
export const BEGUN_PER_TURN_MAX = 4
const SHARED_MS = 100

interface Line {
  /** Requests that began in this turn. */
  begun: number
  /** Begins each waiting request, the oldest first. */
  waiting: (() => void)[]
}

export class RequestTurns {
  readonly #sharedMs: number
  readonly #lines = new Map<string, Line>()
  #lastViewer: string | undefined
  /** In milliseconds of `performance.now()`; 0: one viewer is alone. */
  #sharedUntil = 0

  /** @param sharedMs how long requests are counted after the viewer changed. */
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
