/*
 * Turns for the requests of viewers. In one turn, the event loop hands over all requests that have come, and each takes 50 to
 * 250 µs. So a viewer would wait behind a thousand connections of another. While several viewers send requests, each viewer
 * begins one of them in a turn of the loop, and the rest in later turns. A transfer takes some five turns: with four requests
 * a turn, it took 2.7 times as long beside 100 connections of another viewer, and with one 1.7 times.
 *
 *   alone     nothing is counted and nothing waits, so that postings that come together share batches
 *   shared    for SHARED_MS after the viewer changed: each viewer begins one request a turn
 *
 * A request that waits keeps its connection in memory. So those whose connection has closed are given up in one turn, and
 * when WAITING_MAX requests of a viewer wait, more of them begin at once.
 */

const SHARED_MS = 100
const WAITING_MAX = 4_000

/** A request that waits. */
interface Waiting {
  isGone: () => boolean
  /** Called once: with true it begins, with false it is given up. */
  end: (begins: boolean) => void
}

export class RequestTurns {
  readonly #sharedMs: number
  /** By viewer, for each that began a request in this turn: what waits for later turns, the oldest first. */
  readonly #lines = new Map<string, Waiting[]>()
  #lastViewer: string | undefined
  /** In milliseconds of `performance.now()`; 0: one viewer is alone. */
  #sharedUntil = 0

  /** @param sharedMs how long viewers take turns after the viewer changed. */
  constructor(sharedMs = SHARED_MS) {
    this.#sharedMs = sharedMs
  }

  /**
   * Asks to begin a request.
   *
   * @param viewer who sends it.
   * @param isGone whether its connection has closed.
   * @returns undefined when it may begin at once. Else it resolves later: with true, the request begins; with false, its
   *   connection has closed, and no work is to be done for it.
   */
  take(viewer: string, isGone: () => boolean): Promise<boolean> | undefined {
    if (!this.#isShared(viewer)) return undefined
    const line = this.#lines.get(viewer)
    if (line && line.length >= WAITING_MAX) return undefined
    if (line) return new Promise((end) => line.push({ isGone, end }))
    if (this.#lines.size === 0) setImmediate(this.#beginTurn)
    this.#lines.set(viewer, [])
    return undefined
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
      let next = line.shift()
      for (; next?.isGone(); next = line.shift()) next.end(false)
      if (next) next.end(true)
      else this.#lines.delete(viewer)
    }
    if (this.#lines.size > 0) setImmediate(this.#beginTurn)
  }
}
