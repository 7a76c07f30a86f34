/*
 * Paces subscribers that are far behind, so that their backlogs do not slow down everybody else. One has its turn at a
 * time, in the order in which they ask. After each turn all of them rest for longer than the turn took.
 */

/** Events in a turn: about one millisecond of work. */
export const EVENTS_PER_TURN_MAX = 20
/** Catching up may use a third of the time. */
const REST_FACTOR = 2
/**
 * The rest after a turn of 2 ms, the longest on a process that is not busy. On a busy one a turn mostly waits for others:
 * resting for as long again, a subscriber would never catch up with a busy ledger.
 */
const REST_MS_MAX = 4
/** A client that takes nothing does not keep the others waiting for longer than this. */
const TURN_MS_MAX = 20
/** Timers are no finer. */
const REST_MS_MIN = 1

export class CatchUp {
  readonly #waiting: ((end: () => void) => void)[] = []
  #isBusy = false
  #restMs = 0

  /** Subscribers that wait for a turn. */
  get waitingCount(): number {
    return this.#waiting.length
  }

  /**
   * Waits for a turn.
   *
   * @returns ends it. Idempotent.
   */
  turn(): Promise<() => void> {
    return new Promise((start) => {
      this.#waiting.push(start)
      if (!this.#isBusy) this.#startNext()
    })
  }

  #startNext(): void {
    const start = this.#waiting.shift()
    this.#isBusy = start !== undefined
    if (!start) return
    const startedAt = performance.now()
    let isOver = false
    const end = () => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      this.#rest(Math.min(REST_FACTOR * (performance.now() - startedAt), REST_MS_MAX))
    }
    const timer = setTimeout(end, TURN_MS_MAX).unref()
    start(end)
  }

  /** Rests too short for a timer are saved up. */
  #rest(ms: number): void {
    this.#restMs += ms
    if (this.#restMs < REST_MS_MIN) {
      setImmediate(() => this.#startNext())
    } else {
      setTimeout(() => this.#startNext(), this.#restMs).unref()
      this.#restMs = 0
    }
  }
}
