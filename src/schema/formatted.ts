import type { Amount } from '../db/amount.ts'
import type { Currency } from '../ledger/model/account.ts'
import { formatAmount, isLocale } from '../ledger/model/format-amount.ts'
import { builder } from './builder.ts'
import { invalidArgument } from './validation-error.ts'

const LOCALE_DEFAULT = 'en'

/** The arguments of every field `formatted`. */
export const formatArguments = builder.args((t) => ({
  locale: t.string({
    defaultValue: LOCALE_DEFAULT,
    description: 'A language tag of BCP 47, such as `de`, `en-IN` or `ja-JP`.',
  }),
}))

/** An amount for people, with the digits of its currency. */
export function formatted(
  amount: Amount,
  currency: Currency,
  { locale }: { locale?: string | null | undefined },
): string {
  const tag = locale ?? LOCALE_DEFAULT
  if (!isLocale(tag)) throw invalidArgument('locale', 'must be a language tag, such as en, de or en-IN')
  return formatAmount(amount, currency, tag)
}
