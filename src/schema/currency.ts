import { z } from 'zod'
import type { Currency as CurrencyRecord } from '../ledger/model/account.ts'
import { UnavailableError } from '../ledger/model/unavailable.ts'
import { builder } from './builder.ts'
import { ErrorInterface, MutationError } from './errors.ts'
import { ValidationError } from './validation-error.ts'

const SCALE_MAX = 8
const CODE = /^[A-Z0-9_]{3,12}$/

/** A code as it is written: `usd` is no currency. */
export const currencyCode = z
  .string()
  .refine((code) => CODE.test(code), 'must be a currency code: 3 to 12 upper-case letters, digits or _')

/** Of an input that asserts a currency. */
export const currencyAssertion = {
  description:
    'The currency that you expect the account to have. If it has another one, the posting is refused. Without it, any currency is accepted.',
  validate: { schema: currencyCode },
} as const

export const Currency = builder.objectRef<CurrencyRecord>('Currency').implement({
  description: 'A currency of the ledger. It never changes.',
  fields: (t) => ({
    code: t.exposeString('code', { description: 'From ISO 4217, such as `USD`, or chosen by an operator.' }),
    scale: t.exposeInt('scale', {
      description: `How many digits its amounts have after the decimal point, from 0 to ${SCALE_MAX}: with 2, an amount of 1050 is 10.50.`,
    }),
  }),
})

export class CurrencyNotFoundError extends MutationError {
  constructor() {
    super('CURRENCY_NOT_FOUND')
  }
}

builder.objectType(CurrencyNotFoundError, {
  name: 'CurrencyNotFoundError',
  description: 'There is no such currency. Nothing was written.',
  interfaces: [ErrorInterface],
})

class CurrencyExistsError extends MutationError {
  readonly currency: CurrencyRecord
  constructor(currency: CurrencyRecord) {
    super('CURRENCY_EXISTS')
    this.currency = currency
  }
}

builder.objectType(CurrencyExistsError, {
  name: 'CurrencyExistsError',
  description: 'There is a currency with this code already. Currencies never change.',
  interfaces: [ErrorInterface],
  fields: (t) => ({ currency: t.expose('currency', { type: Currency, description: 'The one that exists.' }) }),
})

/** For lists with an item for each currency: there are about 170, and what operators add. */
export const CURRENCIES_COST = 200

builder.queryField('currencies', (t) =>
  t.field({
    type: [Currency],
    nullable: { list: true, items: false },
    complexity: { field: 1, multiplier: CURRENCIES_COST },
    description:
      'All currencies of the ledger, ordered by code: those of ISO 4217 that have a scale, and those that operators made.',
    resolve: (_root, _args, { ledger }) => ledger.currencies.all(),
  }),
)

const CreateCurrencyInput = builder.inputType('CreateCurrencyInput', {
  description: 'A currency that is not in ISO 4217.',
  fields: (t) => ({
    code: t.string({
      required: true,
      description: 'Its code: 3 to 12 upper-case letters, digits or `_`.',
      validate: { schema: currencyCode },
    }),
    scale: t.int({
      required: true,
      description: `How many digits its amounts have after the decimal point, from 0 to ${SCALE_MAX}.`,
      validate: {
        min: [0, { message: 'must not be negative' }],
        max: [SCALE_MAX, { message: `must be at most ${SCALE_MAX}` }],
      },
    }),
  }),
})

const CreateCurrencySuccess = builder.objectRef<{ currency: CurrencyRecord }>('CreateCurrencySuccess').implement({
  description: 'The currency was made. Accounts can be made in it.',
  fields: (t) => ({ currency: t.expose('currency', { type: Currency, description: 'The new currency.' }) }),
})

builder.mutationField('createCurrency', (t) =>
  t.field({
    type: CreateCurrencySuccess,
    nullable: true,
    authScopes: { operator: true },
    description: 'Makes a currency, such as points or a cryptocurrency. It can never be changed. For operators.',
    args: { input: t.arg({ type: CreateCurrencyInput, required: true, description: 'The new currency.' }) },
    errors: {
      types: [ValidationError, CurrencyExistsError, UnavailableError],
      union: { description: 'The currency, or why it was not made.' },
    },
    resolve: async (_root, { input: { code, scale } }, { ledger }) => {
      const currency = { code, scale }
      const made = await ledger.currencies.create(currency)
      if ('existing' in made) throw new CurrencyExistsError(made.existing)
      return { currency }
    },
  }),
)
