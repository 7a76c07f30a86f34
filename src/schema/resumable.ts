import { GraphQLError } from 'graphql'
import { SlowConsumerError } from '../ledger/subscriber.ts'

/**
 * The events of a subscription. A subscriber that stopped reading is told so, and from where to resume.
 *
 * An object with two methods, and no generator: one that is asked to return while it waits for an event would not.
 */
export function resumable<Event, Position>(
  source: AsyncIterableIterator<Event, undefined>,
  cursorAt: (position: Position) => string,
): AsyncIterableIterator<Event, undefined> {
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next: () =>
      source.next().catch((error) => {
        if (!(error instanceof SlowConsumerError)) throw error
        throw new GraphQLError('Too many events were left unread. Subscribe again with `since`: nothing is lost.', {
          extensions: { code: 'SLOW_CONSUMER', retryable: true, cursor: cursorAt(error.position) },
        })
      }),
    return: async () => (await source.return?.()) ?? { done: true, value: undefined },
  }
}
