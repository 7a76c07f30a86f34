import type { Instant } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { noteStatement } from '../../db/statement-count.ts'
import { readSettledClock } from '../statements/read-settled-clock.ts'

/** A reading of PostgreSQL's clock. Whatever is before `settledBefore` can no longer change; null: unknown. */
export interface SettledReading {
  now: Instant
  settledBefore: Instant | null
  /** When the reading began, on the clock of this process. What a caller learns after that may be later than `now`. */
  begunAt: number
}

/**
 * Knows, without a lock, whether a past moment can still change. A reading stays true for ever, so the last one serves
 * every moment before it. One that is in flight serves everybody who asks meanwhile.
 */
export class SettledClock {
  readonly #database: Database
  #last: SettledReading | undefined
  #inFlight: Promise<SettledReading> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  /** The last reading if `moment` is settled by it; else a new one, by which it may not be settled either. */
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
