import { holdsAccount } from '../auth/model/viewer.ts'
import { type AccountId, accountOfUser } from '../db/ids.ts'
import type { Instant } from '../db/instant.ts'
import { type AccountBalance, FutureMomentError } from '../ledger/model/balance.ts'
import { ENTRY_CURSOR } from '../ledger/model/cursor.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfBalance, costOfBalances } from './cost.ts'
import { accountArgument } from './id-arguments.ts'
import { PAGE_SIZE_MAX } from './page-size.ts'
import { isSeen, User } from './user.ts'
import { invalidArgument } from './validation-error.ts'

const Balance = builder.objectRef<AccountBalance>('Balance')

Balance.implement({
  description:
    'The money in an account at one moment: the sum of its entries up to then, computed when it is asked for.',
  fields: (t) => ({
    user: t.field({
      type: User,
      description: 'Whose account it is.',
      resolve: (balance) => ({ id: balance.accountId }),
    }),
    amount: t.expose('amount', { type: 'Cents', description: 'Never negative.' }),
    asOf: t.expose('asOf', {
      type: 'DateTime',
      nullable: true,
      description:
        'The moment asked for; without one, the time of the last entry counted (null: there is none yet). Asking again with it gives the same answer.',
    }),
    sequence: t.expose('sequence', {
      type: 'Sequence',
      description: 'How many entries of the account it counts: the number of the last one.',
    }),
    cursor: t.string({
      description:
        'The position right after the last entry counted: give it as `since` to `entryPosted` and nothing is missed in between.',
      resolve: (balance, _args, { ledger }) => ENTRY_CURSOR.encode(balance, ledger.era),
    }),
  }),
})

/** The balance of an account that exists, now or at a moment. */
async function loadBalance(accountId: AccountId, asOf: Instant | null | undefined, { loaders }: Context) {
  if (asOf == null) return loaders.balances.load(accountId)
  try {
    return await loaders.balancesAsOf.load({ accountId, asOf })
  } catch (error) {
    if (error instanceof FutureMomentError)
      throw invalidArgument('asOf', 'is in the future', { extensions: { now: error.now } })
    throw error
  }
}

const asOfDescription =
  'The moment: entries at it count. It must not be in the future; without it, now. The answer for a moment never changes.'

builder.objectField(User, 'balance', (t) =>
  t.field({
    type: Balance,
    nullable: true,
    complexity: ({ asOf }) => costOfBalance(asOf),
    description: 'The balance of the account, now or at a moment of the past. Null for an account that is not yours.',
    args: { asOf: t.arg({ type: 'DateTime', description: asOfDescription }) },
    resolve: (user, { asOf }, context) =>
      isSeen(user, context.viewer) ? loadBalance(accountOfUser(user.id), asOf, context) : null,
  }),
)

builder.queryField('balances', (t) =>
  t.field({
    type: [Balance],
    nullable: { list: true, items: true },
    description:
      'Balances of several accounts, all of one moment, one for each of `userIds` in the same order; null for a user who does not exist or is not you.',
    complexity: costOfBalances,
    args: {
      userIds: t.arg({
        type: [accountArgument.type],
        required: true,
        description: `The users, at most ${PAGE_SIZE_MAX}.`,
        validate: {
          items: accountArgument.validate,
          maxLength: [PAGE_SIZE_MAX, { message: `takes at most ${PAGE_SIZE_MAX} ids` }],
        },
      }),
      asOf: t.arg({ type: 'DateTime', description: asOfDescription }),
    },
    resolve: async (_root, { userIds, asOf }, context) => {
      const load = async (id: AccountId) => {
        if (!holdsAccount(context.viewer, id)) return null
        const [user, balance] = await Promise.all([context.loaders.users.load(id), loadBalance(id, asOf, context)])
        return user ? balance : null
      }
      return Promise.all(userIds.map(load))
    },
  }),
)
