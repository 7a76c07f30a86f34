import { z } from 'zod'
import { FutureMomentError } from '../ledger/model/balance.ts'
import { BUCKETS_MAX, type BalanceBucket as Bucket, TooManyBucketsError } from '../ledger/model/balance-history.ts'
import { isTimeZone } from '../ledger/model/time-zone.ts'
import { Account, isHeld } from './account.ts'
import { builder } from './builder.ts'
import { costOfHistory } from './cost.ts'
import { invalidArgument } from './validation-error.ts'

const BalanceBucketSize = builder.enumType('BalanceBucketSize', {
  description: 'How long the buckets of a balance history are, by the clocks and calendars of its time zone.',
  values: {
    HOUR: { description: 'From one full hour to the next.' },
    DAY: { description: 'From midnight to midnight: 23 or 25 hours where the clocks are changed.' },
    WEEK: { description: 'From Monday to Monday.' },
    MONTH: { description: 'From the first of a month to the first of the next.' },
  } as const,
})

const BalanceBucket = builder.objectRef<Bucket>('BalanceBucket').implement({
  description:
    'What happened to a balance from `start` up to `end`. An entry at `start` is in it, and one at `end` in the next.',
  fields: (t) => ({
    start: t.expose('start', { type: 'DateTime', description: 'Its first moment.' }),
    end: t.expose('end', { type: 'DateTime', description: 'The first moment after it.' }),
    complete: t.exposeBoolean('complete', {
      description: 'False when it has not ended yet: `to` was in the future, so it ends at the moment of the request.',
    }),
    opening: t.expose('opening', { type: 'Amount', description: 'The balance right before `start`.' }),
    closing: t.expose('closing', {
      type: 'Amount',
      description: 'The balance right before `end`: the opening of the next bucket.',
    }),
    lowest: t.expose('lowest', { type: 'Amount', description: 'The lowest balance from `opening` to `closing`.' }),
    highest: t.expose('highest', { type: 'Amount', description: 'The highest balance from `opening` to `closing`.' }),
    credited: t.expose('credited', { type: 'Amount', description: 'The sum of what came in. It may pass 64 bits.' }),
    debited: t.expose('debited', {
      type: 'Amount',
      description: 'The sum of what went out, as a positive number. It may pass 64 bits.',
    }),
    entryCount: t.expose('entryCount', { type: 'Sequence', description: 'How many entries there were.' }),
  }),
})

const timeZoneName = z.string().refine(isTimeZone, 'is not the name of a time zone, such as Europe/Paris or UTC')

builder.objectField(Account, 'balanceHistory', (t) =>
  t.field({
    type: [BalanceBucket],
    nullable: { list: true, items: false },
    description: `How the balance changed from \`from\` to \`to\`, in at most ${BUCKETS_MAX} buckets, oldest first. Buckets without entries are included, and each opens with the closing balance of the one before. The first and the last are cut off at \`from\` and \`to\`. The answer never changes, except for a last bucket that is not complete. Null for an account that is not yours.`,
    complexity: costOfHistory,
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'Where it begins. Not in the future.' }),
      to: t.arg({
        type: 'DateTime',
        required: true,
        description: 'Where it ends; an entry at this moment is left out. A moment in the future means now.',
      }),
      bucket: t.arg({ type: BalanceBucketSize, required: true, description: 'How long the buckets are.' }),
      timeZone: t.arg.string({
        defaultValue: 'UTC',
        description: 'The name of a time zone, such as `Europe/Paris`. Offsets such as `+01:00` are not accepted.',
        validate: { schema: timeZoneName },
      }),
    },
    validate: [[({ from, to }) => from <= to, { message: 'is after `to`', path: ['from'] }]],
    resolve: async (account, { from, to, bucket, timeZone }, { loaders, viewer }) => {
      if (!isHeld(account, viewer)) return null
      try {
        return await loaders.histories.load({
          accountId: account.id,
          from,
          to,
          bucket,
          timeZone: timeZone ?? 'UTC',
        })
      } catch (error) {
        if (error instanceof FutureMomentError)
          throw invalidArgument('from', 'is in the future', { extensions: { now: error.now } })
        if (error instanceof TooManyBucketsError)
          throw invalidArgument('bucket', `makes more than ${BUCKETS_MAX} buckets: take a larger one, or less time`)
        throw error
      }
    },
  }),
)
