import { FairQueue } from './fair-queue.ts'
import type { PendingCall } from './pending-call.ts'
import { LIGHT_MAX } from './submitters.ts'

/*
 * The lanes take batches from the queue (fair-queue.ts). While a batch is in flight, the next one gathers. There is no
 * timer: the database sets the pace.
 *
 * A batch in flight claims its accounts and keys. The other lanes skip calls that share a claim, and later calls that share
 * a claim with skipped ones. So lanes never wait for each other in the database, and calls that share an account or a key
 * are judged in the order in which batches take them.
 *
 *   queued → in flight     a lane is free, it is the submitter's turn, and no earlier call shares a claim
 *   queued → elsewhere     `divert` took it: its deadline is over, or it waits for a lock
 *   in flight → elsewhere  `run` has answered it, or will bring it back with `reenter`
 *
 * While a batch of a bulk submitter is in flight, one lane more than `lanesMax` is open to submitters that have nothing in
 * flight, so that they need not wait for the end of the large batch.
 */

export interface LaneHandlers {
  /** Runs a batch. Must not reject. */
  run(batch: PendingCall[]): Promise<void>
  /** Called before a batch takes a call. Returns true if it took the call itself. */
  divert(call: PendingCall): boolean
}

export class Lanes {
  readonly #handlers: LaneHandlers
  readonly #lanesMax: number
  readonly #queue: FairQueue
  readonly #claimed = new Set<string>()
  #running = 0
  /** Batches in flight with calls of a bulk submitter. */
  #bulkRunning = 0
  #isScheduled = false

  constructor(handlers: LaneHandlers, { lanesMax, batchSizeMax }: { lanesMax: number; batchSizeMax: number }) {
    this.#handlers = handlers
    this.#lanesMax = lanesMax
    this.#queue = new FairQueue({ batchSizeMax, claimed: this.#claimed, divert: (call) => handlers.divert(call) })
  }

  /** Takes in a new call. */
  enter(call: PendingCall): void {
    this.#queue.push(call)
    this.#schedule()
  }

  /** Brings back calls that were in flight. They are older than all other calls of their submitters in the queue. */
  reenter(calls: readonly PendingCall[]): void {
    for (const call of calls) call.move({ type: 'queued' })
    this.#queue.unshift(calls)
    this.#schedule()
  }

  /** Whether a batch in flight has claimed an account or a key. */
  isClaimed(claim: string): boolean {
    return this.#claimed.has(claim)
  }

  /** Removes from the queue the calls that are diverted. */
  sift(): void {
    this.#queue.sift()
  }

  /** Starts batches at the end of this turn of the event loop, when all its calls are in the queue. */
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
      call.move({ type: 'taken' })
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
