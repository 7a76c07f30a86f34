import { holdsAccount, type Viewer } from '../auth/model/viewer.ts'
import { type AccountId, accountOfUser, toAccountId } from '../db/ids.ts'
import type { Account as AccountRecord, Currency as CurrencyRecord } from '../ledger/model/account.ts'
import { ACCOUNT_CURSOR } from '../ledger/model/cursor.ts'
import type { IdPage } from '../ledger/model/id-page.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { costOfConnection } from './cost.ts'
import { Currency, currencyCode } from './currency.ts'
import { accountArgument, userArgument } from './id-arguments.ts'
import { connectionOf, oneDirection, pageRequest, totalCount } from './pages.ts'
import { keptText } from './text.ts'
import { User } from './user.ts'

export const ACCOUNT_NAME_CHARACTERS_MAX = 100

/** An account of which at least the id is known: the sides of a transaction need no look-up for their ids. */
export type AccountShape = { id: AccountId; ownerHasJustSignedIn?: boolean | undefined } & Partial<AccountRecord>

export const AccountStatus = builder.enumType('AccountStatus', {
  description: 'What may move into and out of an account. An operator changes it with `setAccountStatus`.',
  values: {
    OPEN: { description: 'Money comes in and goes out.' },
    FROZEN: { description: 'Money comes in. Nothing goes out, unless an operator sets `ignoreFreeze`.' },
    CLOSED: { description: 'Nothing comes in or goes out. The account is empty.' },
  } as const,
})

export const Account = builder.objectRef<AccountShape>('Account')

/**
 * Whether the viewer may see what an account holds. Whoever has just signed in sees their own in the answer to the sign-in.
 */
export const isHeld = ({ id, ownerHasJustSignedIn = false }: AccountShape, viewer: Viewer): boolean =>
  ownerHasJustSignedIn || holdsAccount(viewer, id)

const recordOf = (account: AccountShape, { loaders }: Context) =>
  account.currency === undefined ? loaders.accounts.load(account.id) : account

/** undefined when the viewer does not hold it. */
const heldRecordOf = (account: AccountShape, context: Context) =>
  isHeld(account, context.viewer) ? recordOf(account, context) : undefined

/** What the amounts of an account are counted in. The account must exist, as those of transactions do. */
export async function currencyOf(id: AccountId, { loaders }: Context): Promise<CurrencyRecord> {
  const known = loaders.currencies.get(id)
  if (known) return known
  const account = await loaders.accounts.load(id)
  if (!account) throw new Error('an account is not on record')
  return account.currency
}

/** An account that exists and that the viewer holds. */
export async function findAccount(id: AccountId, { loaders, viewer }: Context): Promise<AccountShape | undefined> {
  return holdsAccount(viewer, id) ? loaders.accounts.load(id) : undefined
}

builder.node(Account, {
  description:
    'What holds money, in one currency: a main account, which every user has from the start, another account of a user, or a house account, which nobody owns. Of an account that is not yours you see only `id` and `publicName`, unless you are an operator.',
  id: {
    resolve: (account) => account.id,
    description: "`account_<uuid>`. A main account's UUID is that of its owner.",
  },
  // The loaders have a cache. That of Pothos 4.8.1 hands out objects without their type when two fields ask for one id.
  loadManyWithoutCache: (ids: string[], context) =>
    Promise.all(ids.map(async (id) => (await findAccount(toAccountId(id), context)) ?? null)),
  fields: (t) => ({
    currency: t.field({
      type: Currency,
      nullable: true,
      description: 'What its amounts are counted in. It never changes.',
      resolve: async (account, _args, context) => (await heldRecordOf(account, context))?.currency,
    }),
    owner: t.field({
      type: User,
      nullable: true,
      description: 'The user who owns it. Null for a house account. It never changes.',
      resolve: async (account, _args, context) => {
        const record = await heldRecordOf(account, context)
        const { ownerHasJustSignedIn: hasJustSignedIn } = account
        return record?.ownerId == null ? null : { id: record.ownerId, hasJustSignedIn }
      },
    }),
    name: t.string({
      nullable: true,
      description: 'What its holder calls it. Others do not see it.',
      resolve: async (account, _args, context) => (await heldRecordOf(account, context))?.name,
    }),
    publicName: t.string({
      nullable: true,
      description: 'The name that others see, such as whoever pays into it or is paid from it. Nobody checks it.',
      resolve: async (account, _args, context) => (await recordOf(account, context))?.publicName,
    }),
    status: t.field({
      type: AccountStatus,
      nullable: true,
      description: 'What may move into and out of it.',
      resolve: async (account, _args, context) => (await heldRecordOf(account, context))?.status,
    }),
    createdAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it was made.',
      resolve: async (account, _args, context) => (await heldRecordOf(account, context))?.createdAt,
    }),
    updatedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When its names or its status last changed. Postings do not change it.',
      resolve: async (account, _args, context) => (await heldRecordOf(account, context))?.updatedAt,
    }),
  }),
})

const AccountsConnection = builder.connectionObject(
  {
    type: Account,
    name: 'AccountsConnection',
    description: 'A page of accounts, newest first.',
    fields: (t) => ({ totalCount: t.field(totalCount('accounts')) }),
  },
  { name: 'AccountsEdge', description: 'An account in a page.' },
)

/** A page of accounts as a connection. What is asked of them next needs no look-up. */
function accountConnection(
  { rows, ...around }: IdPage<AccountRecord>,
  shape: Pick<AccountShape, 'ownerHasJustSignedIn'>,
  count: () => Promise<number>,
  { ledger, loaders }: Context,
) {
  for (const account of rows) loaders.accounts.prime(account.id, account)
  const nodes: (AccountRecord & AccountShape)[] = rows.map((account) => ({ ...account, ...shape }))
  return { ...connectionOf(nodes, around, ACCOUNT_CURSOR, ledger.era), totalCount: count }
}

builder.objectFields(User, (t) => ({
  account: t.field({
    type: Account,
    nullable: true,
    description: 'The main account, which the user has from the start. Null when you do not hold it.',
    resolve: ({ id, hasJustSignedIn: ownerHasJustSignedIn }, _args, { viewer }) => {
      const account: AccountShape = { id: accountOfUser(id), ownerHasJustSignedIn }
      return isHeld(account, viewer) ? account : null
    },
  }),
  accounts: t.connection(
    {
      type: Account,
      nullable: true,
      description:
        'The accounts of the user that you hold, newest first, so the main account comes last. With an API token for some accounts, only those.',
      complexity: costOfConnection,
      validate: [oneDirection],
      resolve: async ({ id: ownerId, hasJustSignedIn: ownerHasJustSignedIn }, page, context) => {
        const { ledger, loaders, viewer } = context
        const held = ownerHasJustSignedIn ? null : viewer.accountIds
        const request = pageRequest(page, ACCOUNT_CURSOR, ledger.era)
        const accounts = await loaders.accountsOfOwners.load({ ownerId, request, held })
        const count = () => loaders.accountCountsOfOwners.load({ ownerId, held })
        return accountConnection(accounts, { ownerHasJustSignedIn }, count, context)
      },
    },
    AccountsConnection,
  ),
}))

const AccountFilter = builder.inputType('AccountFilter', {
  description: 'Which accounts: those that match all that is given.',
  fields: (t) => ({
    ownerId: t.field({ ...userArgument, description: 'Only those of this user.' }),
    house: t.boolean({ description: 'True: only house accounts. False: only accounts of users.' }),
    name: t.string({
      description: 'Only those with exactly this `name`.',
      validate: { schema: keptText(ACCOUNT_NAME_CHARACTERS_MAX) },
    }),
    currency: t.string({ description: 'Only those in this currency.', validate: { schema: currencyCode } }),
    status: t.field({ type: AccountStatus, description: 'Only those with this status.' }),
  }),
})

builder.queryFields((t) => ({
  account: t.field({
    type: Account,
    nullable: true,
    description: 'One account. Null if it does not exist or you do not hold it.',
    args: {
      id: t.arg({
        ...accountArgument,
        required: true,
        description: '`account_<uuid>` or the bare UUID; `user_<uuid>` for the main account of a user.',
      }),
    },
    resolve: (_root, { id }, context) => findAccount(id, context),
  }),
  accounts: t.connection(
    {
      type: Account,
      nullable: true,
      description: 'The accounts that you hold, newest first. Operators see all accounts.',
      complexity: costOfConnection,
      args: { filter: t.arg({ type: AccountFilter, description: 'Only some of them.' }) },
      validate: [oneDirection],
      resolve: async (_root, { filter, ...page }, context) => {
        const { ledger, viewer } = context
        const held = viewer.accountIds && [...viewer.accountIds]
        const request = pageRequest(page, ACCOUNT_CURSOR, ledger.era)
        const accounts = await ledger.accounts.page(request, filter ?? {}, held)
        return accountConnection(accounts, {}, () => ledger.accounts.count(filter ?? {}, held), context)
      },
    },
    AccountsConnection,
  ),
}))
