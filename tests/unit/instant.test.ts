import fc from 'fast-check'
import { expect, test } from 'vitest'
import { instantOf, microsecondsOf, parseInstant } from '../../src/db/instant.ts'

const two = (value: number) => String(value).padStart(2, '0')

/** Any moment from year 1 to year 9999, in whole seconds, and its microseconds apart: no double holds both. */
const moments = fc.record({
  date: fc.date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T23:59:59Z'), noInvalidDate: true }),
  microseconds: fc.integer({ min: 0, max: 999_999 }),
})
const textOf = ({ date, microseconds }: { date: Date; microseconds: number }) =>
  `${date.toISOString().slice(0, 19)}.${String(microseconds).padStart(6, '0')}Z`

test('an instant is its own reading', () => {
  fc.assert(
    fc.property(moments, (moment) => {
      expect(parseInstant(textOf(moment))).toBe(textOf(moment))
    }),
  )
})

test('a moment is the same one whatever zone it is told in, to the microsecond', () => {
  const offsets = fc.integer({ min: -(15 * 60 + 59), max: 15 * 60 + 59 })
  fc.assert(
    fc.property(moments, offsets, (moment, offset) => {
      const local = textOf({ ...moment, date: new Date(moment.date.getTime() + offset * 60_000) }).slice(0, -1)
      const sign = offset < 0 ? '-' : '+'
      const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
      expect(parseInstant(local + zone)).toBe(textOf(moment))
    }),
  )
})

test('digits of a second that are left out are zeros', () => {
  expect(parseInstant('2026-01-31T23:59Z')).toBe('2026-01-31T23:59:00.000000Z')
  expect(parseInstant('2026-01-31T23:59:58Z')).toBe('2026-01-31T23:59:58.000000Z')
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9]{1,6}$/), (digits) => {
      expect(parseInstant(`2026-01-31t23:59:58.${digits}z`)).toBe(`2026-01-31T23:59:58.${digits.padEnd(6, '0')}Z`)
    }),
  )
})

test('digits past the microsecond are cut off, so a moment never moves forward, before 1970 or after', () => {
  // .NET sends seven digits, Java and Go nine.
  expect(parseInstant('2026-01-31T23:59:59.9999999Z')).toBe('2026-01-31T23:59:59.999999Z')
  expect(parseInstant('2026-01-31T23:59:59.123456789+01:00')).toBe('2026-01-31T22:59:59.123456Z')
  expect(parseInstant('1969-12-31T23:59:59.9999999Z')).toBe('1969-12-31T23:59:59.999999Z')
  expect(parseInstant('1969-12-31T23:59:59.0000009Z')).toBe('1969-12-31T23:59:59.000000Z')
  fc.assert(
    fc.property(moments, fc.stringMatching(/^[0-9]{0,60}$/), (moment, digits) => {
      expect(parseInstant(textOf(moment).replace('Z', `${digits}Z`))).toBe(textOf(moment))
    }),
  )
})

test('a moment that is written finer than another sorts as it does, or as the same', () => {
  const fractions = fc.stringMatching(/^[0-9]{1,12}$/)
  fc.assert(
    fc.property(fractions, fractions, (a, b) => {
      const [first, second] = [a, b].map((digits) => parseInstant(`1950-06-01T12:00:00.${digits}Z`) as string)
      const [exactFirst, exactSecond] = [a, b].map((digits) => digits.padEnd(12, '0')) as [string, string]
      if (exactFirst <= exactSecond) expect((first as string) <= (second as string)).toBe(true)
      else expect((first as string) >= (second as string)).toBe(true)
    }),
  )
})

test('instants sort as the moments do', () => {
  fc.assert(
    fc.property(moments, moments, (a, b) => {
      const byMoment =
        Math.sign(Math.floor(a.date.getTime() / 1000) - Math.floor(b.date.getTime() / 1000)) ||
        Math.sign(a.microseconds - b.microseconds)
      const [first, second] = [textOf(a), textOf(b)]
      expect(first < second ? -1 : first > second ? 1 : 0).toBe(byMoment)
    }),
  )
})

test('microseconds are counted and told back exactly, before 1970 and until 2255', () => {
  const microseconds = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(microseconds, (count) => {
      expect(microsecondsOf(instantOf(count))).toBe(count)
      expect(parseInstant(instantOf(count))).toBe(instantOf(count))
    }),
    { examples: [[0], [-1], [-1_000_000], [999], [Number.MIN_SAFE_INTEGER], [Number.MAX_SAFE_INTEGER]] },
  )
  expect(instantOf(-1)).toBe('1969-12-31T23:59:59.999999Z')
  expect(instantOf(1)).toBe('1970-01-01T00:00:00.000001Z')
})

test('the next microsecond is the next instant, across seconds, days and years', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9e15 }), (count) => {
      expect(instantOf(count) < instantOf(count + 1)).toBe(true)
    }),
    { examples: [[999_999], [86_400_000_000 - 1], [1_767_225_600_000_000 - 1]] },
  )
})

test('every day of the calendar is taken and no other', () => {
  const daysOf = (year: number, month: number) => {
    if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31
    return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  }
  for (const year of [1, 4, 99, 100, 400, 1582, 1900, 1999, 2000, 2023, 2024, 2100, 9996, 9999]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const text = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T12:00:00.000000Z`
        const isDay = month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month)
        expect(parseInstant(text), text).toBe(isDay ? text : undefined)
      }
    }
  }
})

test('an offset may lead across midnight, the year and a leap day, but not out of the years 1 to 9999', () => {
  expect(parseInstant('2024-02-29T23:30:00-01:00')).toBe('2024-03-01T00:30:00.000000Z')
  expect(parseInstant('2025-01-01T00:00:00.000001+00:01')).toBe('2024-12-31T23:59:00.000001Z')
  expect(parseInstant('0001-01-01T00:00:00Z')).toBe('0001-01-01T00:00:00.000000Z')
  expect(parseInstant('0001-01-01T00:00:00+00:01')).toBeUndefined()
  expect(parseInstant('9999-12-31T23:59:59.999999Z')).toBe('9999-12-31T23:59:59.999999Z')
  expect(parseInstant('9999-12-31T23:59:59-00:01')).toBeUndefined()
})

test.each([
  '',
  'now',
  '2026-01-31',
  '2026-01-31T00:00:00',
  '2026-01-31 00:00:00Z',
  '2026-01-31T24:00:00Z',
  '2026-01-31T00:60:00Z',
  '2026-01-31T00:00:60Z',
  '2026-01-31T00:00:00.Z',
  '2026-01-31T00:00:00.0000001',
  '2026-01-31T00:00:00.000000.1Z',
  '2026-01-31T00:00:00,5Z',
  '2026-01-31T00:00:00+01',
  '2026-01-31T00:00:00+0100',
  '2026-01-31T00:00:00+16:00',
  '2026-01-31T00:00:00+01:60',
  '2026-01-31T00:00:00Z[Europe/Paris]',
  ' 2026-01-31T00:00:00Z',
  '2026-01-31T00:00:00Z\n',
  '2026-1-31T00:00:00Z',
  '26-01-31T00:00:00Z',
  '+002026-01-31T00:00:00Z',
  '12026-01-31T00:00:00Z',
  '0000-01-31T00:00:00Z',
  '2026-W05-6T00:00:00Z',
  '٢٠٢٦-01-31T00:00:00Z',
])('%j is no instant', (text) => {
  expect(parseInstant(text)).toBeUndefined()
})

test('whatever text is given, the answer is an instant or nothing', () => {
  const almost = fc.tuple(moments, fc.nat(30), fc.string({ maxLength: 3 })).map(([moment, at, text]) => {
    const whole = textOf(moment)
    return whole.slice(0, at) + text + whole.slice(at + text.length)
  })
  fc.assert(
    fc.property(fc.oneof(fc.string(), almost), (text) => {
      const instant = parseInstant(text)
      if (instant !== undefined) expect(instant).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    }),
  )
})
