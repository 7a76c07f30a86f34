import { expect, test } from 'vitest'
import { keptText, newPassword, shownPassword } from '../../src/schema/text.ts'

const name = keptText(5)
const flawOf = (rule: { safeParse: typeof name.safeParse }, text: string) =>
  rule.safeParse(text).error?.issues.map(({ message }) => message)

test('a text is kept without the spaces around it', () => {
  expect(name.parse(' \n\u00a0a  b\t')).toBe('a  b')
})

test('characters are counted, not the units of an encoding', () => {
  expect(name.parse('🔑🔑🔑🔑🔑')).toBe('🔑🔑🔑🔑🔑')
  expect(flawOf(name, '🔑🔑🔑🔑🔑🔑')).toEqual(['must have at most 5 characters'])
  expect(flawOf(name, 'abcdef')).toEqual(['must have at most 5 characters'])
  expect(flawOf(newPassword, '🔑🔑🔑🔑')).toEqual(['must have at least 8 characters'])
})

test.each(['', ' ', '\n\t', '\u00a0'])('an empty text is refused: %j', (text) => {
  expect(flawOf(name, text)).toEqual(['must not be empty'])
})

test.each(['a\u0000', '\u0007b', 'a\nb', 'a\u007f', 'a\u0085b', 'a\u001b['])(
  'a control character is refused: %j',
  (text) => {
    expect(flawOf(name, text)).toEqual(['must not contain control characters'])
  },
)

test.each(['\ud800', 'a\udfff', '\udc00\ud800', 'a\ud83d'])('half a surrogate pair is refused: %j', (text) => {
  for (const rule of [name, newPassword, shownPassword]) {
    expect(flawOf(rule, text)?.[0]).toMatch(/^must be well-formed Unicode/)
  }
})

test('a password is not trimmed', () => {
  expect(newPassword.parse('  correct horse ')).toBe('  correct horse ')
  expect(shownPassword.parse(' \n')).toBe(' \n')
})

test('a password that could not be set may still be compared, up to the longest', () => {
  expect(flawOf(newPassword, 'correct\u0000horse')).toEqual(['must not contain control characters'])
  expect(shownPassword.parse('correct\u0000horse')).toBe('correct\u0000horse')
  expect(shownPassword.parse('')).toBe('')
  expect(flawOf(shownPassword, 'x'.repeat(257))).toEqual(['must have at most 256 characters'])
})
