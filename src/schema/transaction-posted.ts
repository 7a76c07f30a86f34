import { FEED_CURSOR } from '../ledger/model/cursor.ts'
import { PositionNotReachedError, RestoredLedgerError } from '../ledger/model/feed-errors.ts'
import type { FeedEvent, FeedPosition } from '../ledger/model/feed-step.ts'
import { builder } from './builder.ts'
import { readCursor } from './pages.ts'
import { requestError } from './request-error.ts'
import { resumable } from './resumable.ts'
import { Transaction } from './transaction.ts'
import { invalidArgument } from './validation-error.ts'

const TransactionPosted = builder.objectRef<FeedEvent>('TransactionPosted').implement({
  description: 'A transaction that was committed, and where the feed of the whole ledger is after it.',
  fields: (t) => ({
    cursor: t.string({
      description: 'Pass it as `since` to continue after this transaction, with any server process.',
      resolve: ({ position }, _args, { ledger }) => FEED_CURSOR.encode(position, ledger.era),
    }),
    transaction: t.expose('transaction', { type: Transaction, description: 'What was posted.' }),
  }),
})

/** Says for clients why there is no position in the feed. */
export function feedError(error: unknown): unknown {
  return error instanceof RestoredLedgerError ? requestError('FEED_CLOSED') : error
}

builder.subscriptionField('transactionPosted', (t) =>
  t.field({
    type: TransactionPosted,
    nullable: true,
    authScopes: { operator: true },
    description:
      'Each transaction of the whole ledger soon after it is committed, none missed and none repeated. For operators. Transactions of one account come in its order; others may come in a different order than in `transactions`.',
    args: {
      since: t.arg.string({
        description:
          'Every transaction after this cursor (of an event, or `Ledger.cursor`), and then what is new. Without it, from now.',
      }),
    },
    subscribe: async (_root, { since }, { ledger }) => {
      const position = readCursor('since', since, FEED_CURSOR, ledger.era, 'the feed')
      try {
        const events = await ledger.transactionFeed.subscribe(position)
        return resumable(events, (position: FeedPosition) => FEED_CURSOR.encode(position, ledger.era))
      } catch (error) {
        if (error instanceof PositionNotReachedError)
          throw invalidArgument('since', 'is a position the ledger has not reached')
        throw feedError(error)
      }
    },
    resolve: (event) => event,
  }),
)
