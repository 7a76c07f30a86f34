import type { AccountId } from '../../db/ids.ts'
import type { LedgerEntry } from '../model/entry.ts'
import type { EntryRange } from '../model/entry-range.ts'
import type { CatchUp } from './catch-up.ts'
import { Subscriber } from './subscriber.ts'

/** Entries read at once. */
const PAGE_MAX = 100
/** Entries that a live subscriber may leave untaken. */
const BUFFER_MAX = 1_000

interface Source {
  /** Oldest first. */
  read(range: EntryRange): Promise<LedgerEntry[]>
  /** From now on entries are pushed: all that are later than the answer. */
  join(): number
  leave(): void
}

/*
 * A subscriber of one account. Its states:
 *
 *   behind    it reads pages for itself, one at a time
 *   joining   it is near the end: later entries are already pushed, and earlier ones are still read
 *   live      all entries are pushed
 */
export class AccountSubscriber extends Subscriber<LedgerEntry, number> {
  readonly accountId: AccountId
  readonly #source: Source
  position: number
  /** Entries after this number are pushed; undefined: behind. */
  #pushedAfter: number | undefined
  #isNearEnd: boolean
  #page: LedgerEntry[] = []
  #pageCount = 0

  /** @param head the number of the account's last entry, as it was known before. */
  constructor(accountId: AccountId, after: number, head: number, source: Source, catchUp: CatchUp) {
    super(() => source.leave(), BUFFER_MAX, catchUp)
    this.accountId = accountId
    this.position = after
    this.#isNearEnd = after >= head
    this.#source = source
  }

  override push(entry: LedgerEntry): void {
    if (entry.sequence > this.position) super.push(entry)
  }

  protected take(): LedgerEntry | undefined {
    const entry = this.#page.shift() ?? (this.#isLive() ? this.#takePushed() : undefined)
    if (entry) this.position = entry.sequence
    return entry
  }

  protected isFarBehind(): boolean {
    return this.#pageCount > 1 && !this.#isLive()
  }

  protected async fetch(): Promise<boolean> {
    if (this.#pushedAfter === undefined && this.#isNearEnd) this.#pushedAfter = this.#source.join()
    if (this.#isLive()) return false
    const low = this.position + 1
    const high = Math.min(this.position + PAGE_MAX, this.#pushedAfter ?? Number.MAX_SAFE_INTEGER)
    const entries = await this.#source.read({ accountId: this.accountId, low, high })
    // Cut at the first gap, never past it.
    const gap = entries.findIndex(({ sequence }, index) => sequence !== low + index)
    this.#page = gap === -1 ? entries : entries.slice(0, gap)
    if (this.#page.length > 0) this.#pageCount++
    this.#isNearEnd = entries.length < PAGE_MAX
    return this.#page.length > 0 || (this.#isNearEnd && this.#pushedAfter === undefined)
  }

  #isLive(): boolean {
    return this.#pushedAfter !== undefined && this.position >= this.#pushedAfter
  }

  /** Some of what was pushed may have been read as well. */
  #takePushed(): LedgerEntry | undefined {
    while (this.buffer[0] && this.buffer[0].sequence <= this.position) this.buffer.shift()
    return this.buffer.shift()
  }
}
