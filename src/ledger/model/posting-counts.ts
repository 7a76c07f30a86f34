import { isSchemaNewer } from '../../db/sqlstate.ts'
import type { CallOutcome } from './posting.ts'
import type { RefusalCode } from './refusal.ts'
import { kindOf, type Sides, type TransactionKind } from './sides.ts'
import { type UnavailableCode, UnavailableError } from './unavailable.ts'

/** `UNAVAILABLE`: the schema is newer than this server. */
export type PostingOutcome =
  | 'POSTED'
  | 'REPLAYED'
  | RefusalCode
  | UnavailableCode
  | 'UNAVAILABLE'
  | 'INTERNAL_SERVER_ERROR'

/** The upper bounds of the classes of batch sizes. One more class has the larger ones. */
export const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

/** What the posting engine has done since the process started, as plain numbers for metrics. */
export class PostingCounts {
  batches = 0
  postings = 0
  /** Batches by size, in the classes of `BATCH_SIZES`. */
  readonly batchSizes: number[] = Array(BATCH_SIZES.length + 1).fill(0)
  /** Calls that were tried again after their batch failed. */
  retries = 0
  /** Batches whose COMMIT was not answered. */
  unknownOutcomes = 0
  /** Times that a call began to wait for an account that another process had locked. */
  lockWaits = 0
  readonly #outcomes = new Map<TransactionKind, Map<PostingOutcome, number>>()

  /** What became of postings, by kind. */
  outcomes(): { kind: TransactionKind; outcome: PostingOutcome; count: number }[] {
    return [...this.#outcomes].flatMap(([kind, outcomes]) =>
      [...outcomes].map(([outcome, count]) => ({ kind, outcome, count })),
    )
  }

  noteBatch(size: number): void {
    this.batches++
    this.postings += size
    const at = BATCH_SIZES.findIndex((max) => size <= max)
    const place = at === -1 ? BATCH_SIZES.length : at
    this.batchSizes[place] = (this.batchSizes[place] ?? 0) + 1
  }

  /** Counts a call that was not posted, or whose outcome is unknown. Returns the error. */
  noteFailure(requests: readonly Sides[], error: unknown): unknown {
    const fault = isSchemaNewer(error) ? 'UNAVAILABLE' : 'INTERNAL_SERVER_ERROR'
    const outcome = error instanceof UnavailableError ? error.code : fault
    for (const request of requests) this.#add(kindOf(request), outcome)
    return error
  }

  /** Counts the answer to a call. Of a refused call only the posting that caused the refusal counts. */
  noteAnswer(requests: readonly Sides[], outcome: CallOutcome): void {
    if ('refusal' in outcome) {
      const refused = requests[outcome.index]
      if (refused) this.#add(kindOf(refused), outcome.refusal.code)
      return
    }
    for (const [index, { replayed }] of outcome.posted.entries()) {
      this.#add(kindOf(requests[index] as Sides), replayed ? 'REPLAYED' : 'POSTED')
    }
  }

  #add(kind: TransactionKind, outcome: PostingOutcome): void {
    let outcomes = this.#outcomes.get(kind)
    if (!outcomes) {
      outcomes = new Map()
      this.#outcomes.set(kind, outcomes)
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
}
