import { FairQueue } from './fair-queue.ts'
import type { PendingCall } from './pending-call.ts'
import { LIGHT_MAX } from './submitters.ts'

/*
 * The lanes, which take batches from the queue (fair-queue.ts). While a batch is in flight the next one gathers: there is
 * no timer, the database's own pace is the window.
 *
 * A batch in flight claims the accounts and keys that it works on. Another lane passes over calls that share a claim, and
 * over later calls that share one with those. So the lanes never wait for each other in the database, and calls that share
 * an account or a key are judged in the order in which batches take them.
 *
 *   queued → in flight     a lane is free, it is the submitter's turn, and nothing before it shares a claim with it
 *   queued → passed on     `divert` took it (it has to wait elsewhere, or its deadline is over)
 *   in flight → gone       `run` has answered it, or keeps it to bring it back by `reenter`
 *
 * One lane more than `lanesMax` is open while a batch of a bulk submitter is in flight, to submitters that have nothing in
 * flight themselves: they need not wait for the end of a large batch of somebody else.
 */

export interface LaneHandlers {
  /** Runs a batch to its end; must not throw. */
  run(batch: PendingCall[]): Promise<void>
  /** Asked before a call is taken: true when it was taken elsewhere. */
  divert(call: PendingCall): boolean
}

export class Lanes {
  readonly #handlers: LaneHandlers
  readonly #lanesMax: number
  readonly #queue: FairQueue
  readonly #claimed = new Set<string>()
  #running = 0
  /** Batches in flight that have calls of a bulk submitter. */
  #bulkRunning = 0
  #isScheduled = false

  constructor(handlers: LaneHandlers, { lanesMax, batchSizeMax }: { lanesMax: number; batchSizeMax: number }) {
    this.#handlers = handlers
    this.#lanesMax = lanesMax
    this.#queue = new FairQueue({ batchSizeMax, claimed: this.#claimed, divert: (call) => handlers.divert(call) })
  }

  enter(call: PendingCall): void {
    this.#queue.push(call)
    this.#schedule()
  }

  /** Calls that were in flight before: they are older than all that their submitters have in the queue. */
  reenter(calls: readonly PendingCall[]): void {
    this.#queue.unshift(calls)
    this.#schedule()
  }

  /** Whether a batch in flight works on it. */
  isClaimed(claim: string): boolean {
    return this.#claimed.has(claim)
  }

  /** Takes out of the queue whatever the handlers diverts. */
  sift(): void {
    this.#queue.sift()
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
    while (this.#queue.length > 0) {
      const lanesFree = this.#lanesMax - this.#running
      if (lanesFree < 0 || (lanesFree === 0 && this.#bulkRunning === 0)) return
      const batch = this.#queue.gather(lanesFree)
      if (batch.length === 0) return
      void this.#run(batch)
    }
  }

  async #run(batch: PendingCall[]): Promise<void> {
    for (const call of batch) {
      for (const claim of call.claims) this.#claimed.add(claim)
      call.submitter.inFlight += call.postings.length
    }
    const isBulk = batch.some(({ submitter }) => submitter.inFlight > LIGHT_MAX)
    this.#running++
    if (isBulk) this.#bulkRunning++
    try {
      await this.#handlers.run(batch)
    } finally {
      for (const call of batch) {
        for (const claim of call.claims) this.#claimed.delete(claim)
        call.submitter.inFlight -= call.postings.length
      }
      this.#running--
      if (isBulk) this.#bulkRunning--
      this.#schedule()
    }
  }
}
