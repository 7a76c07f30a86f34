import {
  eventsOf,
  type FeedEvent,
  type FeedPosition,
  type StepPage,
  type StepRequest,
  stepAfter,
} from '../model/feed-step.ts'
import type { Snapshot } from '../model/snapshot.ts'
import type { CatchUp } from './catch-up.ts'
import { Subscriber } from './subscriber.ts'

/** Transactions that a live subscriber may leave untaken: a step may bring hundreds at once. */
const BUFFER_MAX = 5_000

interface Source {
  read(request: StepRequest): Promise<StepPage>
  /** From now on it is pushed what comes after the answer. */
  join(): Promise<Snapshot>
  leave(): void
}

/*
 * A subscriber of the whole ledger. Its states:
 *
 *   behind    it reads its own chain of steps, one page at a time
 *   joining   later transactions are already pushed, and it reads its own last step up to there
 *   live      all transactions are pushed
 */
export class TransactionSubscriber extends Subscriber<FeedEvent, FeedPosition> {
  readonly #source: Source
  position: FeedPosition
  /** What is to be read next; undefined: live. */
  #step: StepRequest | undefined
  #joined: Snapshot | undefined
  #isNearEnd: boolean
  #page: FeedEvent[] = []
  #pageCount = 0

  /** @param isNow next to nothing can have come after the position yet. */
  constructor(position: FeedPosition, isNow: boolean, source: Source, catchUp: CatchUp) {
    super(() => source.leave(), BUFFER_MAX, catchUp)
    this.position = position
    const isWholeStep = position.after === null && position.previous === position.snapshot
    this.#step = isWholeStep ? { ...position, snapshot: null } : position
    this.#isNearEnd = isNow
    this.#source = source
  }

  protected take(): FeedEvent | undefined {
    const event = this.#page.shift() ?? (this.#step ? undefined : this.buffer.shift())
    if (event) this.position = event.position
    return event
  }

  protected isFarBehind(): boolean {
    return this.#pageCount > 1 && this.#step !== undefined
  }

  protected async fetch(): Promise<boolean> {
    let step = this.#step
    if (step === undefined) return false
    // A step that was begun is ended first; the last one goes up to where the others are.
    if (this.#isNearEnd && step.snapshot === null) {
      this.#joined ??= await this.#source.join()
      step = { ...step, snapshot: this.#joined }
    }
    const page = await this.#source.read(step)
    this.#page = eventsOf(step, page)
    if (this.#page.length > 0) this.#pageCount++
    const isToNow = step.snapshot === null && page.isLast && page.isWhole
    this.#isNearEnd ||= isToNow
    this.#step = page.isLast && page.snapshot === this.#joined ? undefined : stepAfter(step, page)
    return true
  }
}
