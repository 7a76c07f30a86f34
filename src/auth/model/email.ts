import { toASCII } from 'tr46'

/** Raw, in UTF-16 units: four for each character of the longest address, as letters with several marks take them. */
const RAW_LENGTH_MAX = 1_024
/** RFC 5321, 4.5.3.1: 256 with the angle brackets around it. */
const CHARACTERS_MAX = 254

/** UAX #15, 13: no text of any language has so many marks on one letter. To put n of them in order takes n² steps. */
const TOO_MANY_MARKS = /\p{M}{31}/u

/** Something on both sides of one @, a dot-separated domain, no spaces or control characters. */
const PLAUSIBLE = /^[^\s@\p{C}]{1,64}@[^\s@\p{C}.]+(?:\.[^\s@\p{C}.]+)*$/u

/** As browsers read a domain (WHATWG URL), and with the lengths that DNS can hold. */
const DOMAIN_RULES = { checkBidi: true, checkJoiners: true, verifyDNSLength: true }

/**
 * Gives the one form of an e-mail address that is stored and looked for, so that two spellings of one address are one user:
 * no spaces around it, the local part in NFKC and lower case, the domain in its ASCII form (`xn--…`). The canonical form of
 * a canonical form is itself.
 *
 * Letters are lower-cased, not case-folded: folding would make one of `weiß` and `weiss`, who may be two people. Only the
 * final sigma is folded, since the lower case of a capital sigma depends on what follows it. The domain goes by tr46, whose
 * tables are of its own version, so that two versions of Node give one form.
 *
 * @returns undefined when the text could not be an address. Whether it is one, only a letter to it would tell.
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

/** How long the ASCII form of a domain is at least. It takes a microsecond a character to find out exactly. */
function leastAsciiLength(domain: string): number {
  const labelsInUnicode = domain.split('.').filter((label) => /[^\x20-\x7e]/.test(label)).length
  return charactersIn(domain) + labelsInUnicode * 'xn--'.length
}

const charactersIn = (text: string) => [...text].length
