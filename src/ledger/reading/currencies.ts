import { asc, eq } from 'drizzle-orm'
import type { Database } from '../../db/pool.ts'
import { currencies } from '../../db/tables.ts'
import type { Currency } from '../model/account.ts'

const columns = { code: currencies.code, scale: currencies.scale }

/** What money can be counted in. A currency never changes and is never deleted, so those that were read once are kept. */
export class Currencies {
  readonly #database: Database
  readonly #known = new Map<string, Currency>()

  constructor(database: Database) {
    this.#database = database
  }

  /** By code. */
  async all(): Promise<Currency[]> {
    const all = await this.#database.select(columns).from(currencies).orderBy(asc(currencies.code))
    for (const currency of all) this.#known.set(currency.code, currency)
    return all
  }

  /** The currency with a code. It is read only when it was made after all were read. */
  async find(code: string): Promise<Currency | undefined> {
    if (!this.#known.has(code)) await this.all()
    return this.#known.get(code)
  }

  /** @returns the currency that has the code already, if there is one: then nothing was created. */
  async create(currency: Currency): Promise<{ created: true } | { existing: Currency }> {
    const created = await this.#database
      .insert(currencies)
      .values({ code: currency.code, scale: currency.scale })
      .onConflictDoNothing({ target: currencies.code })
      .returning(columns)
    if (created.length > 0) return { created: true }
    const [existing] = await this.#database.select(columns).from(currencies).where(eq(currencies.code, currency.code))
    return { existing: existing as Currency }
  }
}
