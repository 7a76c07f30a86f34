import { holdsAccount } from '../auth/model/viewer.ts'
import type { AccountId } from '../db/ids.ts'
import type { Instant } from '../db/instant.ts'
import { type AccountBalance, FutureMomentError } from '../ledger/model/balance.ts'
import { ENTRY_CURSOR } from '../ledger/model/cursor.ts'
import { Account, currencyOf, isHeld } from './account.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfBalance, costOfBalances } from './cost.ts'
import { Currency } from './currency.ts'
import { costOfFormatted, formatArguments, formatted } from './formatted.ts'
import { accountArgument } from './id-arguments.ts'
import { PAGE_SIZE_MAX } from './page-size.ts'
import { invalidArgument } from './validation-error.ts'

export const Balance = builder.objectRef<AccountBalance>('Balance')

Balance.implement({
  description:
    'The money in an account at one moment: the sum of its entries up to then, computed when it is asked for.',
  fields: (t) => ({
    account: t.field({
      type: Account,
      description: 'The account.',
      resolve: ({ accountId }) => ({ id: accountId }),
    }),
    currency: t.field({
      type: Currency,
      description: 'What `amount` is counted in.',
      resolve: ({ accountId }, _args, context) => currencyOf(accountId, context),
    }),
    amount: t.expose('amount', { type: 'Amount', description: 'Never negative.' }),
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
    formatted: t.string({
      nullable: true,
      args: formatArguments,
      complexity: costOfFormatted,
      description: '`amount` for people, such as `$10.50`.',
      resolve: async ({ accountId, amount }, args, context) =>
        formatted(amount, await currencyOf(accountId, context), args, context),
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

builder.objectField(Account, 'balance', (t) =>
  t.field({
    type: Balance,
    nullable: true,
    complexity: ({ asOf }) => costOfBalance(asOf),
    description: 'What it holds, now or at a moment of the past. Null for an account that is not yours.',
    args: { asOf: t.arg({ type: 'DateTime', description: asOfDescription }) },
    resolve: (account, { asOf }, context) =>
      isHeld(account, context.viewer) ? loadBalance(account.id, asOf, context) : null,
  }),
)

builder.queryField('balances', (t) =>
  t.field({
    type: [Balance],
    nullable: { list: true, items: true },
    description:
      'Balances of several accounts, all of one moment, one for each of `accountIds` in the same order; null for an account that does not exist or is not yours.',
    complexity: costOfBalances,
    args: {
      accountIds: t.arg({
        type: [accountArgument.type],
        required: true,
        description: `The accounts, at most ${PAGE_SIZE_MAX}. \`user_<uuid>\` names the main account of a user.`,
        validate: {
          items: accountArgument.validate,
          maxLength: [PAGE_SIZE_MAX, { message: `takes at most ${PAGE_SIZE_MAX} ids` }],
        },
      }),
      asOf: t.arg({ type: 'DateTime', description: asOfDescription }),
    },
    resolve: async (_root, { accountIds, asOf }, context) => {
      const load = async (id: AccountId) => {
        if (!holdsAccount(context.viewer, id)) return null
        const [account, balance] = await Promise.all([
          context.loaders.accounts.load(id),
          loadBalance(id, asOf, context),
        ])
        return account ? balance : null
      }
      return Promise.all(accountIds.map(load))
    },
  }),
)
