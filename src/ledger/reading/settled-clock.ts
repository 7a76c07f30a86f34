import type { Instant } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { noteStatement } from '../../db/statement-count.ts'
import { readSettledClock } from '../statements/read-settled-clock.ts'

/** A reading of PostgreSQL's clock. Whatever is before `settledBefore` can no longer change; null: unknown. */
export interface SettledReading {
  now: Instant
  settledBefore: Instant | null
  /** When it was begun, on this process's own clock: what a caller came to know later may be later than `now`. */
  begunAt: number
}

/**
 * Tells when a past moment can no longer change, without a lock. A reading stays true for ever, so the last one serves
 * every moment before it, and one in flight serves everybody who comes while it is.
 */
export class SettledClock {
  readonly #database: Database
  #last: SettledReading | undefined
  #inFlight: Promise<SettledReading> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  /** A reading by which `moment` is settled, if the last one is such; else a new one, which may not be. */
  async readingFor(moment: Instant): Promise<SettledReading> {
    const last = this.#last
    if (last?.settledBefore && moment < last.settledBefore) return last
    if (this.#inFlight) noteStatement()
    this.#inFlight ??= this.#read().finally(() => {
      this.#inFlight = undefined
    })
    return this.#inFlight
  }

  async #read(): Promise<SettledReading> {
    const begunAt = performance.now()
    const [row] = await readSettledClock(this.#database).execute()
    this.#last = { ...(row as Omit<SettledReading, 'begunAt'>), begunAt }
    return this.#last
  }
}
