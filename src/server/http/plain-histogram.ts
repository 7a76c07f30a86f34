import { Histogram } from 'prom-client'

/** Observations that were counted elsewhere, in plain numbers. */
interface Observations {
  labels?: Readonly<Record<string, string>>
  /** How many there were up to each bound, not counting those up to the bound before; the last is of those beyond all. */
  counts: readonly number[]
  sum: number
}

interface PlainHistogramOptions {
  name: string
  help: string
  /** In rising order. */
  bounds: readonly number[]
  labelNames?: string[]
  /** One for each set of labels. */
  read: () => readonly Observations[]
}

/** A histogram whose numbers are read when it is asked for them: whoever counts knows nothing of Prometheus. */
export class PlainHistogram extends Histogram {
  readonly #options: PlainHistogramOptions
  /** Has name, help and type, and no observations. */
  readonly #empty: Histogram

  constructor(options: PlainHistogramOptions) {
    const { name, help, bounds, labelNames = [] } = options
    const configuration = { name, help, buckets: [...bounds], labelNames, registers: [] }
    super(configuration)
    this.#options = options
    this.#empty = new Histogram(configuration)
  }

  override get() {
    return this.getForPromString()
  }

  /** What the registry asks in place of `get`. */
  async getForPromString() {
    const { name, bounds, read } = this.#options
    const values = read().flatMap(({ labels = {}, counts, sum }) => {
      let count = 0
      const buckets = [...bounds, '+Inf'].map((le, index) => {
        count += counts[index] ?? 0
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
      })
      return [
        ...buckets,
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ]
    })
    return { ...(await this.#empty.get()), values }
  }
}
