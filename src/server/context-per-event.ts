import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'

/**
 * Gives every event of a subscription a context of its own. With the one that Yoga makes for the whole subscription,
 * what a loader read for the first event would be told with all others.
 *
 * An error of the source itself becomes the last event: thrown on, it would close a whole socket.
 */
export function contextPerEvent(createContext: () => object): Plugin {
  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(async (args: ExecutionArgs) => {
        const source = await createSourceEventStream(args)
        if (!(Symbol.asyncIterator in source)) return source
        const answerTo = (rootValue: unknown) =>
          execute({ ...args, rootValue, contextValue: { ...(args.contextValue as object), ...createContext() } })
        return new Answers(source[Symbol.asyncIterator](), answerTo)
      })
    },
  }
}

class Answers implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #events: AsyncIterator<unknown>
  readonly #answerTo: (event: unknown) => ExecutionResult | Promise<ExecutionResult>
  #ended = false

  constructor(
    events: AsyncIterator<unknown>,
    answerTo: (event: unknown) => ExecutionResult | Promise<ExecutionResult>,
  ) {
    this.#events = events
    this.#answerTo = answerTo
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#ended) return { done: true, value: undefined }
    let event: IteratorResult<unknown>
    try {
      event = await this.#events.next()
    } catch (error) {
      this.#ended = true
      const told =
        error instanceof GraphQLError ? error : new GraphQLError('Unexpected error.', { originalError: error as Error })
      return { done: false, value: { errors: [told] } }
    }
    if (event.done) return { done: true, value: undefined }
    return { done: false, value: await this.#answerTo(event.value) }
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#ended = true
    await this.#events.return?.()
    return { done: true, value: undefined }
  }
}
