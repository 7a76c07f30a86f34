/*
 * Turns for operations that cost much. While one runs, it holds the rows that it has read and the answer as far as it is
 * made, so the cost of all that run at once is bounded. What is beyond the bound waits, and viewers take turns.
 *
 *   waiting → running     there is room for its cost, or nothing costly runs
 *   waiting → refused     the deadline is over
 *   running → done        `release`
 */

/** Operations that cost less do not wait, and are not counted. */
const COSTLY = 1_000
/** Five times what one user's operation may cost: they hold some 100 MiB. */
const RUNNING_COST_MAX = 250_000

export interface CostTurnsOptions {
  /** How long an operation waits for its turn. */
  deadlineMs: number
  runningCostMax?: number
}

interface Waiter {
  cost: number
  start: () => void
}

export class CostTurns {
  readonly #deadlineMs: number
  readonly #runningCostMax: number
  #runningCost = 0
  /** The viewers whose operations wait, the next one first. */
  readonly #waiting = new Map<string, Waiter[]>()

  constructor({ deadlineMs, runningCostMax = RUNNING_COST_MAX }: CostTurnsOptions) {
    this.#deadlineMs = deadlineMs
    this.#runningCostMax = runningCostMax
  }

  /** The cost of the costly operations that run. */
  get runningCost(): number {
    return this.#runningCost
  }

  /**
   * Waits for a turn.
   *
   * @param cost in points.
   * @returns undefined when the operation is not a costly one and may begin; else a function that ends its turn, to be called
   *   when it is done, or null: there was no turn before the deadline.
   */
  take(viewerKey: string, cost: number): Promise<(() => void) | null> | undefined {
    if (cost < COSTLY) return undefined
    return new Promise((resolve) => {
      const waiter: Waiter = {
        cost,
        start: () => {
          clearTimeout(timer)
          this.#runningCost += cost
          resolve(this.#releaseOf(cost))
        },
      }
      const timer = setTimeout(() => {
        this.#remove(viewerKey, waiter)
        resolve(null)
        // It may have been the one that all others waited behind.
        this.#advance()
      }, this.#deadlineMs)
      const waiters = this.#waiting.get(viewerKey)
      if (waiters) waiters.push(waiter)
      else this.#waiting.set(viewerKey, [waiter])
      this.#advance()
    })
  }

  #releaseOf(cost: number): () => void {
    let isDone = false
    return () => {
      if (isDone) return
      isDone = true
      this.#runningCost -= cost
      this.#advance()
    }
  }

  /** Starts what there is room for. The next one in turn is not overtaken, or a large one would wait for ever. */
  #advance(): void {
    for (const [viewerKey, [next]] of this.#waiting) {
      if (!next) continue
      if (this.#runningCost > 0 && this.#runningCost + next.cost > this.#runningCostMax) return
      const waiters = this.#remove(viewerKey, next)
      // Behind the other viewers: the loop meets it there again.
      if (waiters.length > 0) {
        this.#waiting.delete(viewerKey)
        this.#waiting.set(viewerKey, waiters)
      }
      next.start()
    }
  }

  #remove(viewerKey: string, waiter: Waiter): Waiter[] {
    const waiters = (this.#waiting.get(viewerKey) ?? []).filter((other) => other !== waiter)
    if (waiters.length > 0) this.#waiting.set(viewerKey, waiters)
    else this.#waiting.delete(viewerKey)
    return waiters
  }
}
