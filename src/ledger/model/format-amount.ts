import { LRUCache } from 'lru-cache'
import type { Currency } from './account.ts'

/*
 * Amounts as people write them. The digits after the point are those of our currencies, never those of ICU: its tables say 0
 * for HUF and IQD, and change between versions of Node. Signs, separators, digits and symbols are ICU's.
 */

/** The longest tags that are in use have about 35 characters (RFC 5646, 4.4.1). */
const LOCALE_LENGTH_MAX = 64

/** Whether this is a language tag (BCP 47), such as `en`, `de-CH` or `ar-u-nu-latn`. */
export function isLocale(tag: string): boolean {
  if (tag.length > LOCALE_LENGTH_MAX) return false
  try {
    Intl.getCanonicalLocales(tag)
    return true
  } catch {
    return false
  }
}

/**
 * The amount with its separators and its currency, such as `$1,234.50` or `1.234,50 €`. Exact, however large the amount is.
 *
 * @param amount in minor units of the currency.
 * @param locale one that `isLocale` accepts. A language that ICU does not know is written as English.
 */
export function formatAmount(amount: bigint, currency: Currency, locale: string): string {
  const { code, scale } = currency
  // A decimal string is formatted exactly, a number only up to 2^53. The compiler does not see that this one is a number.
  const text = formatterOf(currency, locale).format(`${amount}E-${scale}` as `${number}`)
  return hasSymbol(code) ? text : `${text}\u00a0${code}`
}

/** Intl takes three letters as the code of a currency, and throws for any other. */
const hasSymbol = (code: string) => /^[A-Z]{3}$/.test(code)

/** Each takes about 50 µs to make and has 2.5 kB. */
const FORMATTERS_MAX = 500
const formatters = new LRUCache<string, Intl.NumberFormat>({ max: FORMATTERS_MAX })

const keyOf = ({ code, scale }: Currency, locale: string) => `${locale} ${code} ${scale}`

/** Whether `formatAmount` takes 2 µs for these, and not 50. */
export const hasFormatter = (currency: Currency, locale: string): boolean => formatters.has(keyOf(currency, locale))

function formatterOf(currency: Currency, locale: string): Intl.NumberFormat {
  const { code, scale } = currency
  const key = keyOf(currency, locale)
  let formatter = formatters.get(key)
  if (!formatter) {
    // Without a second choice an unknown language would be that of the machine.
    formatter = new Intl.NumberFormat([locale, 'en'], {
      ...(hasSymbol(code) && { style: 'currency', currency: code }),
      minimumFractionDigits: scale,
      maximumFractionDigits: scale,
    })
    formatters.set(key, formatter)
  }
  return formatter
}
