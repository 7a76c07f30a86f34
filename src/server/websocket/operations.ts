import type { ExecutionResult, OperationResult } from 'graphql-ws'

/*
 * The operations of one WebSocket, by the ids that its client gave them. A client may complete an operation and take its id
 * for another at once, while the server still works on the first. graphql-ws knows one operation an id: it would take the
 * first for the second, and leave a subscription of it behind for ever. So the first is abandoned here: graphql-ws hears
 * nothing more of it, and what it still makes ends.
 */

export class Operations {
  readonly #running = new Map<string, Operation>()
  /** How many the server is reading or working on, or whose subscription it is making; abandoned ones too. */
  atWork = 0

  get(id: string): Operation | undefined {
    return this.#running.get(id)
  }

  /** Begins an operation; the one that had its id is abandoned. */
  start(id: string): Operation {
    this.#running.get(id)?.abandon()
    const operation = new Operation()
    this.#running.set(id, operation)
    return operation
  }

  /** Forgets an operation, unless another has its id by now. */
  end(id: string, operation: Operation): void {
    if (this.#running.get(id) === operation) this.#running.delete(id)
  }

  async whileAtWork<Made>(work: () => Made): Promise<Awaited<Made>> {
    this.atWork++
    try {
      return await work()
    } finally {
      this.atWork--
    }
  }
}

type Result = Awaited<OperationResult>

export class Operation {
  #isAbandoned = false

  abandon(): void {
    this.#isAbandoned = true
  }

  /** What comes of an operation: nothing, ever, once it is abandoned. Its events are ended then. */
  async resultOf(work: () => OperationResult): Promise<Result> {
    const result = await this.unlessAbandoned(async () => {
      const result = await work()
      if (this.#isAbandoned && Symbol.asyncIterator in result) void result[Symbol.asyncIterator]().return?.()
      return result
    })
    if (!(Symbol.asyncIterator in result)) return result
    const events = result[Symbol.asyncIterator]()
    return {
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => this.unlessAbandoned(() => events.next()),
      return: async () => (await events.return?.()) ?? { done: true, value: undefined },
    } satisfies AsyncIterableIterator<ExecutionResult>
  }

  /** What `work` makes. Of an abandoned operation nobody holds the promise, so it is collected with all that waits for it. */
  async unlessAbandoned<Made>(work: () => Promise<Made>): Promise<Made> {
    try {
      const made = await work()
      if (!this.#isAbandoned) return made
    } catch (error) {
      if (!this.#isAbandoned) throw error
    }
    return new Promise<never>(() => {})
  }
}
