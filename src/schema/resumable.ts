import { GraphQLError } from 'graphql'
import { FeedFailedError, SlowConsumerError } from '../ledger/model/feed-errors.ts'

/**
 * The events of a subscription. One that ends early says why, and from where to resume.
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
        throw errorFor(error, cursorAt)
      }),
    return: async () => (await source.return?.()) ?? { done: true, value: undefined },
  }
}

/** Says for clients why a subscription ended, and from where to resume. */
function errorFor<Position>(error: unknown, cursorAt: (position: Position) => string): unknown {
  const ended = (message: string, code: string, retryable: boolean, position: Position) =>
    new GraphQLError(message, { extensions: { code, retryable, cursor: cursorAt(position) } })
  if (error instanceof SlowConsumerError) {
    const message = 'Too many events were left unread. Subscribe again with `since`: nothing is lost.'
    return ended(message, 'SLOW_CONSUMER', true, error.position)
  }
  if (!(error instanceof FeedFailedError)) return error
  return error.reason === 'timed-out'
    ? ended(
        'Reading the next events timed out three times. Subscribe again with `since`: nothing is lost.',
        'FEED_TIMED_OUT',
        true,
        error.position,
      )
    : ended(
        'The next events could not be read because of an error in the server. Report it, then subscribe again with `since`: nothing is lost.',
        'FEED_FAILED',
        false,
        error.position,
      )
}
