import { holdsAccount } from '../auth/model/viewer.ts'
import type { Account as AccountRecord } from '../ledger/model/account.ts'
import { ACCOUNTS_PER_OWNER_MAX } from '../ledger/model/account-changes.ts'
import type { AccountBalance } from '../ledger/model/balance.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { ACCOUNT_NAME_CHARACTERS_MAX, Account, AccountStatus } from './account.ts'
import { Balance } from './balance.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { CurrencyNotFoundError, currencyCode } from './currency.ts'
import { ErrorInterface, MutationError, UserNotFoundError } from './errors.ts'
import { accountArgument, userArgument } from './id-arguments.ts'
import { AccountNotFoundError, IdempotencyConflictError } from './posting-errors.ts'
import { keptText } from './text.ts'
import { invalidArgument, ValidationError } from './validation-error.ts'

class AccountNotEmptyError extends MutationError {
  readonly balance: AccountBalance
  constructor(balance: AccountBalance) {
    super('ACCOUNT_NOT_EMPTY')
    this.balance = balance
  }
}

builder.objectType(AccountNotEmptyError, {
  name: 'AccountNotEmptyError',
  description: 'The account holds money, so it cannot be closed. Nothing was changed.',
  interfaces: [ErrorInterface],
  fields: (t) => ({
    balance: t.expose('balance', { type: Balance, nullable: true, description: 'What it holds.' }),
  }),
})

const nameRule = { validate: { schema: keptText(ACCOUNT_NAME_CHARACTERS_MAX) } }
const inCharacters = `At most ${ACCOUNT_NAME_CHARACTERS_MAX} characters; spaces around it are dropped.`

const CreateAccountInput = builder.inputType('CreateAccountInput', {
  description: 'A new account. Its owner and its currency never change.',
  fields: (t) => ({
    idempotencyKey: t.field({
      type: 'UUID',
      required: true,
      description:
        'A UUID that you make for each account. A repeat with the same key returns the first account and makes no other.',
    }),
    ownerId: t.field({
      ...userArgument,
      description: `The user who will own it. A user may own at most ${ACCOUNTS_PER_OWNER_MAX} accounts. Without an owner it is a house account.`,
    }),
    currency: t.string({ description: "Default: the ledger's currency.", validate: { schema: currencyCode } }),
    name: t.string({ ...nameRule, description: `What it is for. ${inCharacters}` }),
  }),
})

const UpdateAccountInput = builder.inputType('UpdateAccountInput', {
  description: 'The new names of an account. A name that is left out stays as it is; null removes it.',
  fields: (t) => ({
    accountId: t.field({ ...accountArgument, required: true, description: 'Which account.' }),
    name: t.string({ ...nameRule, description: `What it is for; others do not see it. ${inCharacters}` }),
    publicName: t.string({ ...nameRule, description: `What others see of it. ${inCharacters}` }),
  }),
  validate: [
    [
      ({ name, publicName }) => name !== undefined || publicName !== undefined,
      { message: 'takes `name`, `publicName` or both', path: ['name'] },
    ],
  ],
})

const SetAccountStatusInput = builder.inputType('SetAccountStatusInput', {
  description: 'The new status of an account.',
  fields: (t) => ({
    accountId: t.field({ ...accountArgument, required: true, description: 'Which account.' }),
    status: t.field({
      type: AccountStatus,
      required: true,
      description: 'Any status can follow any other, but only an empty account can be closed.',
    }),
  }),
})

/** What a change of an account answers with. */
const success = (name: string, description: string) =>
  builder.objectRef<{ account: AccountRecord }>(name).implement({
    description,
    fields: (t) => ({
      account: t.expose('account', { type: Account, nullable: true, description: 'The account as it is now.' }),
    }),
  })

const CreateAccountSuccess = success('CreateAccountSuccess', 'The account was made, now or by an earlier request.')
const UpdateAccountSuccess = success('UpdateAccountSuccess', 'The account has the names that were asked for.')
const SetAccountStatusSuccess = success(
  'SetAccountStatusSuccess',
  'The account has this status. From now on every posting obeys it, in every server process.',
)

/** What this operation has read of an account is no longer true. */
function changed(account: AccountRecord, { loaders }: Context) {
  loaders.accounts.clear(account.id).prime(account.id, account)
  return { account }
}

builder.mutationFields((t) => ({
  createAccount: t.field({
    type: CreateAccountSuccess,
    nullable: true,
    authScopes: { operator: true },
    description:
      'Makes an account for a user, or a house account. Its owner can use it within a second. For operators.',
    args: { input: t.arg({ type: CreateAccountInput, required: true, description: 'The new account.' }) },
    errors: {
      types: [ValidationError, UserNotFoundError, CurrencyNotFoundError, IdempotencyConflictError, UnavailableError],
      union: { description: 'The new account, or why it was not created.' },
    },
    resolve: async (_root, { input: { idempotencyKey, ownerId, currency, name } }, context) => {
      const made = await context.ledger.accounts.create({
        idempotencyKey,
        ownerId: ownerId ?? null,
        currency: currency ?? null,
        name: name ?? null,
      })
      if ('account' in made) return changed(made.account, context)
      switch (made.refusal) {
        case 'USER_NOT_FOUND':
          throw new UserNotFoundError(ownerId ?? '')
        case 'CURRENCY_NOT_FOUND':
          throw new CurrencyNotFoundError()
        case 'TOO_MANY_ACCOUNTS':
          throw invalidArgument('input.ownerId', `owns ${ACCOUNTS_PER_OWNER_MAX} accounts already, the most allowed`)
        case 'IDEMPOTENCY_CONFLICT':
          throw new IdempotencyConflictError(made.differingFields, null)
      }
    },
  }),
  updateAccount: t.field({
    type: UpdateAccountSuccess,
    nullable: true,
    description: 'Changes the names of an account that you hold. Operators can change those of any account.',
    args: { input: t.arg({ type: UpdateAccountInput, required: true, description: 'The new names.' }) },
    errors: {
      types: [ValidationError, AccountNotFoundError, UnavailableError],
      union: { description: 'The account, or why it was not changed.' },
    },
    resolve: async (_root, { input: { accountId, name, publicName } }, context) => {
      const { ledger, viewer } = context
      // For the viewer, somebody else's account does not exist.
      if (!holdsAccount(viewer, accountId)) throw new AccountNotFoundError(accountId)
      const account = await ledger.accounts.update(accountId, { name, publicName })
      if (!account) throw new AccountNotFoundError(accountId)
      return changed(account, context)
    },
  }),
  setAccountStatus: t.field({
    type: SetAccountStatusSuccess,
    nullable: true,
    authScopes: { operator: true },
    description:
      'Opens, freezes or closes an account. Every posting that is judged after the answer obeys the new status. For operators.',
    args: { input: t.arg({ type: SetAccountStatusInput, required: true, description: 'The new status.' }) },
    errors: {
      types: [ValidationError, AccountNotFoundError, AccountNotEmptyError, UnavailableError],
      union: { description: 'The account, or why its status is as it was.' },
    },
    resolve: async (_root, { input: { accountId, status } }, context) => {
      const change = await context.ledger.accounts.setStatus(accountId, status)
      if ('account' in change) return changed(change.account, context)
      if (change.refusal === 'ACCOUNT_NOT_EMPTY') throw new AccountNotEmptyError(change.balance)
      throw new AccountNotFoundError(accountId)
    },
  }),
}))
