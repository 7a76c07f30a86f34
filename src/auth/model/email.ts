import { toASCII } from 'tr46'

/** Raw, in UTF-16 units: four for each character of the longest address, as letters with several marks take them. */
const RAW_LENGTH_MAX = 1_024
/** RFC 5321, 4.5.3.1: 256 with the angle brackets around it. */
const CHARACTERS_MAX = 254

/** UAX #15, 13: no text of any language has so many marks on one letter. To put n of them in order takes n² steps. */
const TOO_MANY_MARKS = /\p{M}{31}/u

/** Something on both sides of one @, a dot-separated domain, no spaces or control characters. */
const PLAUSIBLE = /^[^\s@\p{C}]{1,64}@[^\s@\p{C}.]+(?:\.[^\s@\p{C}.]+)*$/u

/** The rules by which browsers read a domain (WHATWG URL), and the lengths that DNS allows. */
const DOMAIN_RULES = { checkBidi: true, checkJoiners: true, verifyDNSLength: true }

/**
 * Returns the form of an e-mail address that is stored and looked up, so that two spellings of one address are one user:
 * without spaces around it, the local part in NFKC and lower case, the domain in its ASCII form (`xn--…`). The canonical
 * form of a canonical form is the same.
 *
 * Letters are lower-cased, not case-folded: folding would merge `weiß` and `weiss`, who may be two people. Only the final
 * sigma is folded, since the lower case of a capital sigma depends on what follows it. The domain is converted by tr46,
 * which has its own tables, so that all versions of Node give the same form.
 *
 * @returns undefined when the text cannot be an address. Whether such an address exists is not checked.
 */
export function canonicalEmail(text: string): string | undefined {
  if (text.length > RAW_LENGTH_MAX || !text.isWellFormed() || TOO_MANY_MARKS.test(text)) return undefined
  const address = text.trim().normalize('NFKC')
  if (!PLAUSIBLE.test(address) || charactersIn(address) > CHARACTERS_MAX) return undefined
  const [local = '', unicodeDomain = ''] = address.split('@')
  if (leastAsciiLength(unicodeDomain) > CHARACTERS_MAX) return undefined
  const domain = toASCII(unicodeDomain, DOMAIN_RULES)
  if (domain === null) return undefined
  const canonical = `${local.toLowerCase().replaceAll('ς', 'σ').normalize('NFKC')}@${domain}`
  return PLAUSIBLE.test(canonical) && charactersIn(canonical) <= CHARACTERS_MAX ? canonical : undefined
}

/** The least length that the ASCII form of a domain can have. The exact one takes a microsecond a character to find. */
function leastAsciiLength(domain: string): number {
  const labelsInUnicode = domain.split('.').filter((label) => /[^\x20-\x7e]/.test(label)).length
  return charactersIn(domain) + labelsInUnicode * 'xn--'.length
}

const charactersIn = (text: string) => [...text].length
