import { expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { costOfFormatted, formatted } from '../../src/schema/formatted.ts'
import { Slices } from '../../src/schema/slices.ts'
import { UNITS_PER_TURN } from '../../src/turns.ts'

const LOCALES = ['de', 'fr', 'it', 'es', 'pl', 'ru', 'ja', 'hi', 'th', 'ko'].flatMap((language) =>
  ['latn', 'arab', 'deva', 'thai', 'beng', 'tibt', 'guru'].map((digits) => `${language}-u-nu-${digits}`),
)

/** When everything is done that waits for nothing. */
const untilQuiet = () => new Promise((resolve) => process.nextTick(resolve))
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

test('formatters are made so many in a turn of the event loop, and used without waiting', async () => {
  const context = { slices: new Slices() }
  const inAllLocales = () => {
    const texts: string[] = []
    const all = Promise.all(
      LOCALES.map(async (locale) => {
        texts.push(await formatted(toAmount(123_456n), { code: 'KWD', scale: 3 }, { locale }, context))
      }),
    )
    return { texts, all }
  }
  await nextTurn()
  const first = inAllLocales()
  await untilQuiet()
  expect(first.texts.length).toBeLessThanOrEqual(UNITS_PER_TURN)
  await first.all
  expect(first.texts).toHaveLength(LOCALES.length)

  const again = inAllLocales()
  await untilQuiet()
  expect(again.texts).toHaveLength(LOCALES.length)
  expect(again.texts.toSorted()).toEqual(first.texts.toSorted())
})

test('a locale costs what its formatter may take', () => {
  const one = costOfFormatted({})
  expect([costOfFormatted({ locale: null }), costOfFormatted({ locale: 'en' })]).toEqual([one, one])
  expect(costOfFormatted({ locale: 'de' })).toBeGreaterThan(one)
})
