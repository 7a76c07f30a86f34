import type { Amount } from '../db/amount.ts'
import { builder } from './builder.ts'
import { currencyAssertion } from './currency.ts'
import { accountArgument } from './id-arguments.ts'
import { descriptionField, metadataField } from './words.ts'

export const isPositive: [(amount: Amount) => boolean, { message: string }] = [
  (amount) => amount > 0n,
  { message: 'must be more than 0' },
]

const amountField = {
  type: 'Amount' as const,
  required: true as const,
  description: 'How much: more than 0.',
  validate: [isPositive],
}

export const keyDescription =
  'A UUID that you make for each posting and keep when you send it again: a repeat answers with the first transaction and moves nothing.'

export const DepositInput = builder.inputType('DepositInput', {
  description: 'Money that comes in from the world outside.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    accountId: t.field({ ...accountArgument, required: true, description: 'The account that is paid.' }),
    amount: t.field(amountField),
    currency: t.string(currencyAssertion),
    description: t.string(descriptionField),
    metadata: t.field(metadataField),
  }),
})

export const ignoreFreezeField = {
  defaultValue: false,
  description:
    'Takes money out of the account even if it is frozen. For operators; a token for some accounts cannot use it.',
}

export const WithdrawInput = builder.inputType('WithdrawInput', {
  description: 'Money that leaves for the world outside, such as a payout.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    accountId: t.field({ ...accountArgument, required: true, description: 'The account that pays.' }),
    amount: t.field(amountField),
    currency: t.string(currencyAssertion),
    description: t.string(descriptionField),
    metadata: t.field(metadataField),
    ignoreFreeze: t.boolean(ignoreFreezeField),
  }),
})

export const TransferInput = builder.inputType('TransferInput', {
  description: 'Money that moves from one account to another.',
  fields: (t) => ({
    idempotencyKey: t.field({ type: 'UUID', required: true, description: keyDescription }),
    sourceAccountId: t.field({ ...accountArgument, required: true, description: 'The account that pays.' }),
    destinationAccountId: t.field({
      ...accountArgument,
      required: true,
      description: 'The account that is paid: another one, in the same currency.',
    }),
    amount: t.field(amountField),
    currency: t.string(currencyAssertion),
    description: t.string(descriptionField),
    metadata: t.field(metadataField),
    ignoreFreeze: t.boolean(ignoreFreezeField),
  }),
})
