import type { PendingCall } from './pending-call.ts'

/*
 * The queue of calls, and the lanes that take batches from it. While a batch is in flight the next one gathers: there
 * is no timer, the database's own pace is the window.
 *
 * What a batch in flight works on (accounts and keys) is claimed by it. Another lane passes over the calls that share a
 * claim, and over those behind them that share one with those. So the lanes never wait for each other in the database,
 * and calls that have to do with each other are judged in the order they came, however many lanes there are.
 *
 *   queued → in flight     a lane is free, and nothing before it shares a claim with it
 *   queued → passed on     `divert` took it (it has to wait elsewhere, or its time is over)
 *   in flight → gone       `run` has answered it, or keeps it to bring it back by `enter`
 */

export interface LaneKeeper {
  /** Runs a batch to its end; must not throw. */
  run(batch: PendingCall[]): Promise<void>
  /** Asked before a call is taken: true when it was taken elsewhere. */
  divert(call: PendingCall): boolean
}

/** How many batches' worth of calls are looked through for some that no batch in flight has a claim to. */
const BATCHES_SEEN_MAX = 4

export class Lanes {
  readonly #keeper: LaneKeeper
  readonly #lanesMax: number
  readonly #batchSizeMax: number
  readonly #claimed = new Set<string>()
  #queue: PendingCall[] = []
  #running = 0
  #isScheduled = false

  constructor(keeper: LaneKeeper, { lanesMax, batchSizeMax }: { lanesMax: number; batchSizeMax: number }) {
    this.#keeper = keeper
    this.#lanesMax = lanesMax
    this.#batchSizeMax = batchSizeMax
  }

  enter(...calls: PendingCall[]): void {
    this.#queue.push(...calls)
    this.#schedule()
  }

  /** Calls that were in flight before: they are older than all that wait. */
  reenter(calls: readonly PendingCall[]): void {
    this.#queue.unshift(...calls)
    this.#schedule()
  }

  /** Whether a batch in flight works on it. */
  isClaimed(claim: string): boolean {
    return this.#claimed.has(claim)
  }

  /** Takes out of the queue whatever the keeper diverts. */
  sift(): void {
    this.#queue = this.#queue.filter((call) => !this.#keeper.divert(call))
  }

  /** Once all that this turn of the event loop brings is in the queue. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#start()
    })
  }

  #start(): void {
    while (this.#running < this.#lanesMax) {
      const batch = this.#gather()
      if (batch.length === 0) return
      void this.#run(batch)
    }
  }

  async #run(batch: PendingCall[]): Promise<void> {
    this.#running++
    try {
      await this.#keeper.run(batch)
    } finally {
      for (const call of batch) for (const claim of call.claims) this.#claimed.delete(claim)
      this.#running--
      this.#schedule()
    }
  }

  #gather(): PendingCall[] {
    const batch: PendingCall[] = []
    const passedOver: PendingCall[] = []
    const ofBatch = new Set<string>()
    /** Claims of calls that were passed over. */
    const before = new Set<string>()
    // Lanes that are free share what is there: two batches side by side are done sooner than one. But what has to do
    // with a batch goes with it, since no other lane could take it meanwhile.
    const share = Math.ceil(this.#queue.length / (this.#lanesMax - this.#running))
    let size = 0
    let seen = 0
    for (const call of this.#queue) {
      const isFull = batch.length > 0 && (batch[0]?.isAlone || size + call.postings.length > this.#batchSizeMax)
      if (isFull || passedOver.length >= this.#batchSizeMax * BATCHES_SEEN_MAX) break
      seen++
      if (this.#keeper.divert(call)) continue
      const isFree =
        !call.claims.some((claim) => this.#claimed.has(claim) || before.has(claim)) &&
        (!call.isAlone || batch.length === 0) &&
        (batch.length < share || call.claims.some((claim) => ofBatch.has(claim)))
      if (!isFree) passedOver.push(call)
      for (const claim of call.claims) (isFree ? ofBatch : before).add(claim)
      if (!isFree) continue
      batch.push(call)
      size += call.postings.length
    }
    this.#queue.splice(0, seen, ...passedOver)
    for (const claim of ofBatch) this.#claimed.add(claim)
    return batch
  }
}
