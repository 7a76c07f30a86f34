import { isFairShare } from '../model/fair-share.ts'
/** Somebody who posts. The ledger knows no more of them than a name. */
export interface Submitter {
  readonly key: string
  /** Their postings without an answer, wherever these are. */
  unanswered: number
  /** Those of them that are in a batch in flight. */
  inFlight: number
  /** Whether it was a bulk submitter since it last had none without an answer. */
  hasBeenBulk: boolean
}

/** Postings without an answer that a *light* submitter has at most. One that has more is a *bulk* submitter. */
export const LIGHT_MAX = 16

export const isBulk = ({ unanswered }: Pick<Submitter, 'unanswered'>): boolean => unanswered > LIGHT_MAX

/** Counts the postings without an answer, and decides whether there is space for more. */
export class Submitters {
  readonly #spaceMax: number
  readonly #submitters = new Map<string, Submitter>()
  /** Postings without an answer, of all submitters. */
  unanswered = 0

  /** @param spaceMax how many postings may be without an answer at once. */
  constructor(spaceMax: number) {
    this.#spaceMax = spaceMax
  }

  /**
   * Counts a call of `count` postings in; `release` counts it out. A submitter that has none in yet is let in as long as
   * the whole has space. An empty queue takes any call, however large.
   *
   * @returns undefined when there is no space for it.
   */
  admit(key: string, count: number): Submitter | undefined {
    const submitter = this.#submitters.get(key) ?? { key, unanswered: 0, inFlight: 0, hasBeenBulk: false }
    const hasSpace =
      submitter.unanswered === 0
        ? this.unanswered === 0 || this.unanswered + count <= this.#spaceMax
        : isFairShare(submitter.unanswered, count, this.unanswered, this.#spaceMax)
    if (!hasSpace) return undefined
    if (submitter.unanswered === 0) this.#submitters.set(key, submitter)
    submitter.unanswered += count
    submitter.hasBeenBulk ||= isBulk(submitter)
    this.unanswered += count
    return submitter
  }

  release(submitter: Submitter, count: number): void {
    submitter.unanswered -= count
    this.unanswered -= count
    if (submitter.unanswered === 0) this.#submitters.delete(submitter.key)
  }
}
