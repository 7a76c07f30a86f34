import { FeedFailedError, SlowConsumerError } from '../ledger/model/feed-errors.ts'
import type { FixedCode } from './request-codes.ts'
import { requestError } from './request-error.ts'

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
  const ended = (code: FixedCode, position: Position) =>
    requestError(code, undefined, { extensions: { cursor: cursorAt(position) } })
  if (error instanceof SlowConsumerError) return ended('SLOW_CONSUMER', error.position)
  if (!(error instanceof FeedFailedError)) return error
  return ended(error.reason === 'timed-out' ? 'FEED_TIMED_OUT' : 'FEED_FAILED', error.position)
}
