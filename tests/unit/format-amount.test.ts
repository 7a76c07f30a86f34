import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAmount, isLocale } from '../../src/ledger/model/format-amount.ts'

const SCALES = [0, 1, 2, 3, 4, 5, 6, 7, 8]
const LOCALES = [
  'en',
  'de',
  'de-CH',
  'en-IN',
  'fr',
  'ja',
  'pt-BR',
  'sv',
  'ar-EG',
  'fa',
  'hi-IN-u-nu-deva',
  'en-u-nu-hanidec',
]
const AMOUNTS = [0n, 1n, -1n, 5n, 99n, 100n, -1234567n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n, 10n ** 30n + 7n]

/** Spaces of every kind as one, since versions of ICU differ in them. */
const withPlainSpaces = (text: string) => text.replaceAll(/[\u00a0\u202f]/g, ' ')

const NUMERALS = new Map(
  LOCALES.map((locale) => [
    locale,
    Array.from({ length: 10 }, (_, digit) => new Intl.NumberFormat(locale).format(digit)),
  ]),
)

/** Its digits as ASCII, whatever the locale writes them with, and nothing else. */
const digitsOf = (text: string, locale: string) =>
  [...text]
    .map((character) => NUMERALS.get(locale)?.indexOf(character) ?? -1)
    .filter((digit) => digit >= 0)
    .join('')

/** What has to be written: the digits before the point, at least one, and `scale` after it. */
const expectedDigits = (amount: bigint, scale: number) =>
  (amount < 0n ? -amount : amount).toString().padStart(scale + 1, '0')

test.each(SCALES)('every digit of an amount is written with %i of them after the point', (scale) => {
  for (const code of ['USD', 'HUF', 'IQD', 'BHD', 'ABC', 'POINTS']) {
    for (const locale of LOCALES) {
      for (const amount of AMOUNTS) {
        const text = formatAmount(amount, { code, scale }, locale)
        expect([text, digitsOf(text, locale)]).toEqual([text, expectedDigits(amount, scale)])
      }
    }
  }
})

test('any amount is exact', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.constantFrom(...SCALES), fc.constantFrom(...LOCALES), (amount, scale, locale) => {
      const text = formatAmount(amount, { code: 'EUR', scale }, locale)
      expect(digitsOf(text, locale)).toBe(expectedDigits(amount, scale))
    }),
  )
})

test.each([
  [123_456n, 'USD', 2, 'en', '$1,234.56'],
  [-123_456n, 'USD', 2, 'en', '-$1,234.56'],
  [123_456n, 'EUR', 2, 'de', '1.234,56 €'],
  [123_456_789n, 'INR', 2, 'en-IN', '₹12,34,567.89'],
  [5n, 'JPY', 0, 'en', '¥5'],
  // ICU alone would write the next two without a point.
  [123_456n, 'HUF', 2, 'en', 'HUF 1,234.56'],
  [123_456n, 'IQD', 3, 'en', 'IQD 123.456'],
  [1n, 'CLF', 4, 'en', 'CLF 0.0001'],
  [0n, 'USD', 2, 'en', '$0.00'],
  [-1n, 'USD', 2, 'en', '-$0.01'],
  [9_223_372_036_854_775_807n, 'USD', 2, 'en', '$92,233,720,368,547,758.07'],
])('%d of %s with scale %i is in %s %s', (amount, code, scale, locale, text) => {
  expect(withPlainSpaces(formatAmount(amount, { code, scale }, locale))).toBe(text)
})

test.each([
  ['POINTS', 0, '1,234,567 POINTS'],
  ['BTC_TEST', 8, '0.01234567 BTC_TEST'],
  ['123', 2, '12,345.67 123'],
  ['A_B', 2, '12,345.67 A_B'],
])('a code that is not three letters, such as %s, follows the number', (code, scale, text) => {
  expect(withPlainSpaces(formatAmount(1_234_567n, { code, scale }, 'en'))).toBe(text)
})

test('two currencies of one code and other scales are not mixed up', () => {
  expect(formatAmount(100n, { code: 'EUR', scale: 2 }, 'en')).toBe('€1.00')
  expect(formatAmount(100n, { code: 'EUR', scale: 3 }, 'en')).toBe('€0.100')
})

test.each(['en', 'EN', 'de-CH', 'zh-Hant-TW', 'ar-u-nu-latn', 'tlh', 'und', 'en-US-u-va-posix'])(
  '%s is a locale',
  (tag) => {
    expect(isLocale(tag)).toBe(true)
  },
)

test.each(['', ' ', 'e', 'en_US', 'en-', 'C', 'x-private', 'en-u', 'en\u0000', '\ud800', 'ö', 'english language'])(
  '%j is not a locale',
  (tag) => {
    expect(isLocale(tag)).toBe(false)
  },
)

test('a tag of more than 64 characters is not a locale', () => {
  expect(isLocale(`en-x${'-abcdefg'.repeat(7)}-abc`)).toBe(true)
  expect(isLocale(`en-x${'-abcdefg'.repeat(7)}-abcd`)).toBe(false)
  expect(isLocale(`en-x${'-abcdefg'.repeat(100_000)}`)).toBe(false)
})

test('a language that is not known is written as English, whatever the language of the machine is', () => {
  for (const locale of ['xx', 'tlh', 'und']) {
    expect(formatAmount(123_456n, { code: 'USD', scale: 2 }, locale)).toBe('$1,234.56')
  }
})

test('whatever is a locale can be written in', () => {
  const part = fc.stringMatching(/^[A-Za-z0-9]{1,8}$/)
  const tag = fc.array(fc.oneof(part, fc.constantFrom('en', 'u', 'x', 't', 'nu', 'latn', 'roman', 'hanidec')), {
    minLength: 1,
    maxLength: 7,
  })
  fc.assert(
    fc.property(
      fc.oneof(
        tag.map((parts) => parts.join('-')),
        fc.string(),
      ),
      (locale) => {
        if (isLocale(locale)) formatAmount(1n, { code: 'USD', scale: 2 }, locale)
      },
    ),
    { numRuns: 2_000 },
  )
})
