import { networkOf } from '../../auth/model/network.ts'
import type { Caller } from '../../schema/context.ts'

/** Who counts as one: a viewer, or the strangers of one network (an IPv4 address, an IPv6 /64). */
export const countedAs = ({ viewer, client }: Pick<Caller, 'viewer' | 'client'>): string =>
  viewer.role === null ? networkOf(client) : viewer.key

/** How many of something each viewer has, up to a bound. */
export class ViewerCount {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** @returns gives it back, to be called once; undefined: the viewer has as many as may be. */
  take(caller: Caller): (() => void) | undefined {
    const key = countedAs(caller)
    const count = this.#counts.get(key) ?? 0
    if (count >= this.#max) return undefined
    this.#counts.set(key, count + 1)
    return () => {
      const left = (this.#counts.get(key) ?? 1) - 1
      if (left > 0) this.#counts.set(key, left)
      else this.#counts.delete(key)
    }
  }
}
