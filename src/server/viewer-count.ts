import { networkOf } from '../auth/throttle.ts'
import type { Caller } from '../schema/context.ts'

/** How many of something each viewer has, up to a bound. Strangers are counted by network: an IPv4 address, an IPv6 /64. */
export class ViewerCount {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** @returns gives it back, to be called once; undefined: the viewer has as many as may be. */
  take({ viewer, client }: Caller): (() => void) | undefined {
    const key = viewer.role === null ? networkOf(client) : viewer.key
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
