import type { PendingCall } from './pending-call.ts'
import { isBulk, type Submitter } from './submitters.ts'

/*
 * The queue of calls that are in no batch yet. Each submitter has a line, and the lines take turns (deficit round robin,
 * counted in postings). So a submitter with one call does not wait behind another's thousand calls.
 *
 * Within a line, calls that share an account or a key are taken in the order of their arrival. Between lines, the turns decide.
 * A call is skipped while a batch in flight works on one of its accounts or keys. It keeps its place, and later calls that
 * share an account or a key with it are skipped too, in all lines.
 *
 * While light submitters post, a bulk submitter has at most GIVING_WAY_MAX postings in flight. So a lane and some processor
 * time are free for the next call of a light submitter.
 */

export interface FairQueueOptions {
  /** Postings in a batch. A call with more has a batch of its own. */
  batchSizeMax: number
  /** The accounts and keys of the batches in flight. */
  claimed: ReadonlySet<string>
  /** Called before a batch takes a call. Returns true if it took the call itself. */
  divert: (call: PendingCall) => boolean
}

/** How many batches' worth of calls are searched for calls that are not claimed. */
const BATCHES_SEEN_MAX = 4
/** Calls of each line that may be skipped, however many lines there are. */
const PASSED_OVER_MIN = 16
/** Postings that a line may add to a batch in one round. */
const QUANTUM = 16
/**
 * Postings in flight of a bulk submitter that gives way. With 8, a light submitter beside 100 single transfers had 2.2 times
 * its latency; with 4, 1.8.
 */
const GIVING_WAY_MAX = 4
/** How long a bulk submitter gives way after a light submitter was served. */
const GIVE_WAY_MS = 10_000

/** The calls of one submitter, oldest first. */
interface Line {
  readonly submitter: Submitter
  calls: PendingCall[]
  /** Postings that it may add to a batch. */
  credit: number
  /** While a batch gathers: how many of the calls were looked at, which of these stay, and how many postings were taken. */
  seen: number
  kept: PendingCall[]
  taken: number
}

/** What a line may do in the next round: take more, take more once the batch has been sent, or nothing. */
type Prospect = 'more' | 'blocked' | 'done'

export class FairQueue {
  readonly #options: FairQueueOptions
  /** By submitter, in the order of their turns. */
  readonly #lines = new Map<string, Line>()
  /** The last two light submitters that were served, and when. */
  #lights: { key: string; at: number }[] = []
  #length = 0

  constructor(options: FairQueueOptions) {
    this.#options = options
  }

  /** Calls in the queue. */
  get length(): number {
    return this.#length
  }

  push(call: PendingCall): void {
    this.#lineOf(call.submitter).calls.push(call)
    this.#length++
  }

  /** Puts calls back at the heads of their lines. */
  unshift(calls: readonly PendingCall[]): void {
    for (const call of calls.toReversed()) this.#lineOf(call.submitter).calls.unshift(call)
    this.#length += calls.length
  }

  /** Removes the calls that are diverted. */
  sift(): void {
    for (const line of [...this.#lines.values()]) {
      line.kept = line.calls.filter((call) => !this.#options.divert(call))
      line.seen = line.calls.length
      this.#endTurn(line)
    }
  }

  /**
   * Takes the calls of the next batch.
   *
   * @param lanesFree how many lanes share the calls. 0: only submitters with nothing in flight are served.
   */
  gather(lanesFree: number): PendingCall[] {
    const now = performance.now()
    const lines = [...this.#lines.values()]
    const batch = new Batch(this.#options, Math.ceil(this.#length / Math.max(1, lanesFree)))
    const passedOverMax = Math.max(PASSED_OVER_MIN, (this.#options.batchSizeMax * BATCHES_SEEN_MAX) / lines.length)
    let open = lines
    for (let hasMore = true; hasMore && !batch.isFull; ) {
      hasMore = false
      open = open.filter((line) => {
        if (batch.isFull) return false
        const prospect =
          lanesFree === 0 && line.submitter.inFlight > 0
            ? bar(line, batch)
            : this.#serve(line, batch, passedOverMax, now)
        if (prospect === 'more') hasMore = true
        return prospect !== 'done'
      })
    }
    for (const line of lines) {
      // A bulk submitter is not light in its last postings: otherwise bulk submitters would give way to each other for ever.
      if (line.taken > 0 && !line.submitter.hasBeenBulk) this.#noteLight(line.submitter.key, now)
      this.#endTurn(line)
    }
    return batch.calls
  }

  /** Serves one line in a round. */
  #serve(line: Line, batch: Batch, passedOverMax: number, now: number): Prospect {
    const { submitter, calls, kept } = line
    const inFlightMax = this.#givesWay(submitter, now) ? GIVING_WAY_MAX : Number.POSITIVE_INFINITY
    line.credit += QUANTUM
    for (; line.seen < calls.length; line.seen++) {
      const call = calls[line.seen] as PendingCall
      const size = call.postings.length
      if (kept.length >= passedOverMax) return 'done'
      if (this.#options.divert(call)) continue
      if (!batch.isFreeFor(call)) {
        batch.holdBack(call)
        kept.push(call)
        continue
      }
      const inFlight = submitter.inFlight + line.taken
      if (inFlight > 0 && inFlight + size > inFlightMax) return 'done'
      if (!batch.hasSpaceFor(size)) {
        // It needs a batch of its own. Its credit grows while other lines add to this batch.
        line.credit = Math.min(line.credit, size)
        return 'blocked'
      }
      if (size > line.credit) return 'more'
      line.credit -= size
      line.taken += size
      batch.add(call)
    }
    return 'done'
  }

  #givesWay(submitter: Submitter, now: number): boolean {
    if (!isBulk(submitter)) return false
    const other = this.#lights.find(({ key }) => key !== submitter.key)
    return other !== undefined && now < other.at + GIVE_WAY_MS
  }

  #noteLight(key: string, at: number): void {
    const other = this.#lights.find((light) => light.key !== key)
    this.#lights = other ? [{ key, at }, other] : [{ key, at }]
  }

  /** A line whose first call was taken goes to the end; one whose first call was passed over keeps its place. */
  #endTurn(line: Line): void {
    const { submitter, calls, seen, kept } = line
    if (seen > 0) {
      const isServed = kept[0] !== calls[0]
      this.#length -= seen - kept.length
      if (seen > kept.length) calls.splice(0, seen, ...kept)
      if (isServed || calls.length === 0) this.#lines.delete(submitter.key)
      if (isServed && calls.length > 0) this.#lines.set(submitter.key, line)
    }
    // Credit beyond the next call is not saved.
    line.credit = Math.min(line.credit, Math.max(QUANTUM, calls[0]?.postings.length ?? 0))
    line.seen = 0
    line.kept = []
    line.taken = 0
  }

  #lineOf(submitter: Submitter): Line {
    const { key } = submitter
    let line = this.#lines.get(key)
    if (!line) {
      line = { submitter, calls: [], credit: 0, seen: 0, kept: [], taken: 0 }
      this.#lines.set(key, line)
    }
    return line
  }
}

/** A line that is not served now: none of the others overtakes its first calls. */
function bar({ calls }: Line, batch: Batch): Prospect {
  for (const call of calls.slice(0, PASSED_OVER_MIN)) batch.holdBack(call)
  return 'done'
}

/** The calls of a batch while it gathers. */
class Batch {
  readonly calls: PendingCall[] = []
  readonly #batchSizeMax: number
  readonly #claimed: ReadonlySet<string>
  readonly #share: number
  #size = 0
  readonly #claims = new Set<string>()
  /** Claims of calls that were passed over. */
  readonly #heldBack = new Set<string>()

  /**
   * @param share lanes that are free share what is there: two batches side by side are done sooner than one. But what has to
   *   do with a batch goes with it, since no other lane could take it meanwhile.
   */
  constructor({ batchSizeMax, claimed }: FairQueueOptions, share: number) {
    this.#batchSizeMax = batchSizeMax
    this.#claimed = claimed
    this.#share = share
  }

  get isFull(): boolean {
    return this.calls[0]?.state.isAlone || this.#size >= this.#batchSizeMax
  }

  hasSpaceFor(size: number): boolean {
    return this.#size === 0 || this.#size + size <= this.#batchSizeMax
  }

  isFreeFor({ claims, state }: PendingCall): boolean {
    return (
      !claims.some((claim) => this.#claimed.has(claim) || this.#heldBack.has(claim)) &&
      (!state.isAlone || this.#size === 0) &&
      (this.calls.length < this.#share || claims.some((claim) => this.#claims.has(claim)))
    )
  }

  holdBack({ claims }: PendingCall): void {
    for (const claim of claims) this.#heldBack.add(claim)
  }

  add(call: PendingCall): void {
    this.calls.push(call)
    this.#size += call.postings.length
    for (const claim of call.claims) this.#claims.add(claim)
  }
}
