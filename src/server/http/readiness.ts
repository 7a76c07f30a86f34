import type { Ledger } from '../../ledger/ledger.ts'

/** What keeps a server from being sent requests. */
export type Obstacle = 'shutdown' | 'database' | 'migrations' | 'feed'

/** A load balancer waits no longer. */
const TIMEOUT_MS = 2_000
/** Anybody may ask, as often as they like: the database is asked twice a second at most. */
const KNOWN_FOR_MS = 500

/** Whether the server is to be sent requests: for a load balancer. */
export class Readiness {
  readonly #ledger: Ledger
  #isShuttingDown = false
  #known: { obstacle: Promise<Obstacle | undefined>; until: number } | undefined

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** From now on it is not ready. */
  shutDown(): void {
    this.#isShuttingDown = true
  }

  /** @returns undefined when it is ready. */
  async obstacle(): Promise<Obstacle | undefined> {
    if (this.#isShuttingDown) return 'shutdown'
    const now = performance.now()
    if (!this.#known || now >= this.#known.until) {
      this.#known = { obstacle: this.#look(), until: Number.POSITIVE_INFINITY }
      const known = this.#known
      void known.obstacle.finally(() => {
        known.until = performance.now() + KNOWN_FOR_MS
      })
    }
    return this.#known.obstacle
  }

  async #look(): Promise<Obstacle | undefined> {
    const ledger = this.#ledger
    const checks: readonly (readonly [Obstacle, () => Promise<boolean>])[] = [
      ['database', () => ledger.ping().then(() => true)],
      ['migrations', () => ledger.isMigrated()],
      // Taken by the connections that subscribers wait for; it also finds a ledger that was restored without a new era.
      ['feed', () => ledger.transactionFeed.now().then(() => true)],
    ]
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, TIMEOUT_MS, false)
    })
    try {
      for (const [name, check] of checks) {
        const isSound = await Promise.race([check().catch(() => false), late])
        if (!isSound) return name
      }
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}
