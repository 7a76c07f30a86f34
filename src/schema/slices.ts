import { takeTurn, UNITS_PER_TURN } from '../turns.ts'

/*
 * graphql-js works on whatever is there until nothing is left: a thousand entries, each with ten fields, hold the event loop up
 * for 100 ms. Here every field that takes a list, or answers with one, asks for a turn of the loop by the number of items.
 */

/** The slices of one operation. */
export class Slices {
  #waitingCount = 0
  #whenBegun: (() => void)[] = []

  /** @returns undefined when the work may begin at once; else resolves when it may. */
  take(units: number): Promise<void> | undefined {
    const turn = takeTurn(this, units)
    if (!turn) return undefined
    this.#waitingCount++
    return turn.then(() => {
      this.#waitingCount--
      if (this.#waitingCount > 0) return
      for (const work of this.#whenBegun.splice(0)) process.nextTick(work)
    })
  }

  /**
   * Does work once everything that can be done before it is done, slices that wait included: what the fields of one level load
   * is one statement, whatever the number of slices.
   */
  afterwards(work: () => void): void {
    // After the promises that are settled by now, as DataLoader does it by default.
    Promise.resolve().then(() =>
      process.nextTick(() => (this.#waitingCount === 0 ? work() : this.#whenBegun.push(work))),
    )
  }

  /** A list whose items are completed in slices. */
  of<Item>(list: readonly Item[]): MaybePromise<readonly MaybePromise<Item>[]> {
    const turn = this.take(Math.min(list.length, UNITS_PER_TURN))
    // Only then: a promise for each item is work too.
    return turn ? turn.then(() => this.#begun(list)) : this.#begun(list)
  }

  /** A list of which the first slice may be completed now. */
  #begun<Item>(list: readonly Item[]): readonly MaybePromise<Item>[] {
    if (list.length <= UNITS_PER_TURN) return list
    const items: MaybePromise<Item>[] = list.slice(0, UNITS_PER_TURN)
    for (let start = UNITS_PER_TURN; start < list.length; start += UNITS_PER_TURN) {
      const slice = list.slice(start, start + UNITS_PER_TURN)
      const turn = this.take(slice.length)
      for (const item of slice) items.push(turn ? turn.then(() => item) : item)
    }
    return items
  }
}

type MaybePromise<Value> = Value | Promise<Value>
