import type { Amount } from '../db/amount.ts'
import type { Currency } from '../ledger/model/account.ts'
import { formatAmount, hasFormatter, isLocale } from '../ledger/model/format-amount.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { invalidArgument } from './validation-error.ts'

const LOCALE_DEFAULT = 'en'

/** The arguments of every field `formatted`. */
export const formatArguments = builder.args((t) => ({
  locale: t.string({
    defaultValue: LOCALE_DEFAULT,
    description: 'A language tag of BCP 47, such as `de`, `en-IN` or `ja-JP`.',
  }),
}))

interface FormatArguments {
  locale?: string | null | undefined
}

/** Of one field. A formatter takes much longer to make than to use, and the default one is made already. */
export const costOfFormatted = ({ locale }: FormatArguments): number =>
  locale == null || locale === LOCALE_DEFAULT ? 1 : 5

/**
 * An amount for people, with the digits of its currency. A formatter takes as long to make as an item of a list, so it waits for
 * its turn as one: an operation may ask for thousands.
 */
export async function formatted(
  amount: Amount,
  currency: Currency,
  { locale }: FormatArguments,
  { slices }: Pick<Context, 'slices'>,
): Promise<string> {
  const tag = locale ?? LOCALE_DEFAULT
  if (!hasFormatter(currency, tag)) {
    if (!isLocale(tag)) throw invalidArgument('locale', 'must be a language tag, such as en, de or en-IN')
    await slices.take(1)
  }
  return formatAmount(amount, currency, tag)
}
