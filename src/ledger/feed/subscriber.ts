import { FeedFailedError, type FeedFailure, SlowConsumerError } from '../model/feed-errors.ts'
import { type CatchUp, EVENTS_PER_TURN_MAX } from './catch-up.ts'
import { Patience } from './patience.ts'

/*
 * What all subscribers have in common. A subscriber that is behind reads for itself. Once it has caught up, new items are
 * pushed to it. It holds at most one page or a bounded buffer. When the buffer is full, the subscriber ends with an error
 * that has its position, from which the client can resume.
 */

/** Subscribers that go on in one turn of the event loop. A thousand at once would delay everybody else. */
const WOKEN_AT_ONCE = 25
const toWake: (() => void)[] = []

function wakeSoon(wake: () => void): void {
  if (toWake.push(wake) === 1) setImmediate(wakeSome)
}

function wakeSome(): void {
  for (const wake of toWake.splice(0, WOKEN_AT_ONCE)) wake()
  if (toWake.length > 0) setImmediate(wakeSome)
}

export abstract class Subscriber<Item, Position> implements AsyncIterableIterator<Item, undefined> {
  /** The position of the last item that was taken. */
  abstract readonly position: Position
  /** Items that were pushed and not taken yet. */
  protected buffer: Item[] = []
  #ended = false
  #failure: SlowConsumerError<Position> | FeedFailedError<Position> | undefined
  readonly #patience = new Patience()
  /** Items since other work was last let in. */
  #itemCount = 0
  #endTurn: (() => void) | undefined
  readonly #catchUp: CatchUp
  /** Whether the last read failed. */
  #isFailing = false
  #wake: (() => void) | undefined
  /** Calls of `next` are answered one after another, however they overlap. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #leave: () => void
  readonly #bufferMax: number

  /** @param bufferMax how many items it may leave untaken. */
  constructor(leave: () => void, bufferMax: number, catchUp: CatchUp) {
    this.#leave = leave
    this.#catchUp = catchUp
    this.#bufferMax = bufferMax
  }

  /** Takes the next item, if there is one, and moves the position on. */
  protected abstract take(): Item | undefined
  /** It has read more than a page, and is not live yet. */
  protected abstract isFarBehind(): boolean
  /** Reads on, or joins those who are pushed to. False: there is nothing to be had now. May reject: then it is tried again. */
  protected abstract fetch(): Promise<boolean>

  [Symbol.asyncIterator](): this {
    return this
  }

  /**
   * @throws {SlowConsumerError} once, when it had not taken what was pushed; then it has ended.
   * @throws {FeedFailedError} once, when what comes next cannot be read; then it has ended.
   */
  next(): Promise<IteratorResult<Item, undefined>> {
    const answer = this.#turn.then(() => this.#next())
    this.#turn = answer.catch(() => {})
    return answer
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** Looks again, if there was nothing to be had. */
  retry(): void {
    const wake = this.#wake
    this.#wake = undefined
    if (wake) wakeSoon(wake)
  }

  push(item: Item): void {
    if (this.#ended) return
    if (this.buffer.length >= this.#bufferMax) {
      this.#failure = new SlowConsumerError(this.position)
      this.#end()
    } else {
      this.buffer.push(item)
      if (!this.#isFailing) this.retry()
    }
  }

  /** Ends it with an error. */
  fail(reason: FeedFailure): void {
    if (this.#ended) return
    this.#failure = new FeedFailedError(this.position, reason)
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#leaveTurn()
    this.buffer = []
    this.#leave()
    this.retry()
  }

  async #next(): Promise<IteratorResult<Item, undefined>> {
    while (!this.#ended) {
      await this.#pace()
      if (this.#ended) break
      const item = this.take()
      if (item !== undefined) {
        this.#itemCount++
        return { done: false, value: item }
      }
      const fetched = await this.#fetch()
      this.#isFailing = fetched === 'failed'
      const isWaiting = this.#isFailing || (!fetched && this.buffer.length === 0)
      if (isWaiting && !this.#ended) {
        this.#leaveTurn()
        await new Promise<void>((wake) => (this.#wake = wake))
      }
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure
    return { done: true, value: undefined }
  }

  /** Lets others go first after some items: all others while it is far behind, else the event loop. */
  async #pace(): Promise<void> {
    const isFarBehind = this.isFarBehind()
    const mayGoOn = !isFarBehind || this.#endTurn !== undefined
    if (mayGoOn && this.#itemCount < EVENTS_PER_TURN_MAX) return
    this.#itemCount = 0
    this.#leaveTurn()
    if (!isFarBehind) return new Promise((resolve) => setImmediate(resolve))
    this.#endTurn = await this.#catchUp.turn()
    // It may have ended meanwhile, and holds nobody up.
    if (this.#ended) this.#leaveTurn()
  }

  #leaveTurn(): void {
    this.#endTurn?.()
    this.#endTurn = undefined
  }

  /** The database is away: the position is safe, and the feed's poll has it tried again, and nothing that is pushed meanwhile. */
  async #fetch(): Promise<boolean | 'failed'> {
    try {
      const fetched = await this.fetch()
      this.#patience.succeeded()
      return fetched
    } catch (error) {
      const reason = this.#patience.failed(error)
      if (reason) this.fail(reason)
      return 'failed'
    }
  }
}
