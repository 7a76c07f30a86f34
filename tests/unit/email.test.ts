import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalEmail } from '../../src/auth/model/email.ts'

/** All characters that there are. */
const CHARACTERS = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))
/** What may be in the local part. */
const ALLOWED = CHARACTERS.filter((character) => !/[\s@\p{C}]/u.test(character.normalize('NFKC')))
const CASED = ALLOWED.filter((character) => character.toLowerCase() !== character)
const MARKS = ALLOWED.filter((character) => /\p{M}/u.test(character))
/** Marks that make one character with the one before them. */
const COMPOSING = [...new Set(ALLOWED.flatMap((character) => [...character.normalize('NFD')].slice(1)))].filter(
  (mark) => /\p{M}/u.test(mark),
)

const isStable = (address: string) => {
  const canonical = canonicalEmail(address)
  return canonical !== undefined && canonicalEmail(canonical) === canonical
}

/** Local parts with all of these in them, nine at a time: to ask for each alone would take half a minute. */
function addressesWith(parts: readonly string[]): string[] {
  const addresses: string[] = []
  for (let from = 0; from < parts.length; from += 9) {
    addresses.push(`${parts.slice(from, from + 9).join('.')}@example.com`)
  }
  return addresses
}

test('the canonical form of a canonical form is itself, for every character', () => {
  expect(CASED.length).toBeGreaterThan(1_400)
  const wide = ALLOWED.filter((character) => [...character.normalize('NFKC')].length > 4)
  const narrow = ALLOWED.filter((character) => !wide.includes(character))
  expect(addressesWith(narrow).filter((address) => !isStable(address))).toEqual([])
  expect(wide.filter((character) => !isStable(`${character}@example.com`))).toEqual([])
})

test('and for every capital letter with every mark that may become one with it', () => {
  expect(COMPOSING.length).toBeGreaterThan(80)
  const pairs = CASED.flatMap((letter) => COMPOSING.map((mark) => `${letter}${mark}`))
  expect(addressesWith(pairs).filter((address) => !isStable(address))).toEqual([])
})

test('and for letters with any marks, in the local part and in the domain', () => {
  const oneOf = (characters: readonly string[]) =>
    fc.nat({ max: characters.length - 1 }).map((index) => characters[index] as string)
  const cluster = fc
    .tuple(oneOf(ALLOWED), fc.array(oneOf(MARKS), { maxLength: 4 }))
    .map(([letter, marks]) => letter + marks.join(''))
  const word = fc.array(cluster, { minLength: 1, maxLength: 5 }).map((clusters) => clusters.join(''))
  fc.assert(
    fc.property(word, word, (local, domain) => {
      const canonical = canonicalEmail(`${local}@${domain}.example`)
      return canonical === undefined || canonicalEmail(canonical) === canonical
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['a capital letter without a form of one character', 'J\u030cohn@example.org', '\u01f0ohn@example.org'],
  ['a domain in its ASCII form', 'ada@münchen.example', 'ada@xn--mnchen-3ya.example'],
  ['a domain in capitals', 'ada@MÜNCHEN.Example', 'ada@münchen.example'],
  ['an ASCII form in capitals', 'ada@XN--MNCHEN-3YA.EXAMPLE', 'ada@münchen.example'],
  ['a full stop of another script', 'ada@例え。jp', 'ada@例え.jp'],
  ['a capital sigma', 'ΝΙΚΟΣ.Π@example.gr', 'νικος.π@example.gr'],
  ['an @ that is wide', 'ada＠example.com', 'ada@example.com'],
  ['spaces around it', ' \tada@example.com\n', 'ada@example.com'],
])('two spellings are one address: %s', (_name, one, other) => {
  expect(canonicalEmail(one)).toBeDefined()
  expect(canonicalEmail(one)).toBe(canonicalEmail(other))
})

test('two people are two addresses', () => {
  const addresses = ['weiß@example.com', 'weiss@example.com', 'ada@faß.example', 'ada@fass.example', 'a.da@example.com']
  expect(new Set(addresses.map(canonicalEmail)).size).toBe(addresses.length)
})

test.each([
  ['münchen.example', 'xn--mnchen-3ya.example'],
  ['faß.example', 'xn--fa-hia.example'],
  ['日本語.example', 'xn--wgv71a119e.example'],
  ['my_host.example', 'my_host.example'],
  ['[192.0.2.1]', '[192.0.2.1]'],
  // What a parser of URLs would change.
  ['1.2.3', '1.2.3'],
  ['0x7f.1', '0x7f.1'],
  ['ex%41mple.com', 'ex%41mple.com'],
])('the domain %s is kept as %s', (domain, kept) => {
  expect(canonicalEmail(`ada@${domain}`)).toBe(`ada@${kept}`)
})

test.each([
  ['half a surrogate pair', 'a\ud800@example.com'],
  ['a NUL', 'a\u0000@example.com'],
  ['a character that is not seen', 'a\u200b@example.com'],
  ['a domain that is no Punycode', 'ada@xn--a.example'],
  ['a domain whose Punycode hides capitals', 'ada@xn--MNCHEN-3yA0.example'],
  ['an empty label', 'ada@example..com'],
  ['a label of 64', `ada@${'x'.repeat(64)}.com`],
  ['a local part of 65', `${'x'.repeat(65)}@example.com`],
  ['255 characters', `${'x'.repeat(64)}@${'a.'.repeat(94)}xx`],
  ['a domain that is too long in ASCII', `ada@${'é.'.repeat(60)}com`],
  ['31 marks on one letter', `a${'\u0301'.repeat(31)}@example.com`],
])('is no address: %s', (_name, text) => {
  expect(canonicalEmail(text)).toBeUndefined()
})

test('the longest address is one', () => {
  const address = `${'x'.repeat(64)}@${'a.'.repeat(94)}x`
  expect(address).toHaveLength(254)
  expect(canonicalEmail(address)).toBe(address)
})
