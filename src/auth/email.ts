/**
 * The one form of an e-mail address that is stored and looked for: no spaces around it, one Unicode form, lower case.
 * Every way to an address goes through here, so that two spellings of one address are one user.
 */
export function canonicalEmail(email: string): string {
  return email.trim().normalize('NFKC').toLowerCase()
}

/** One @ with something on both sides, a dot-separated domain, no spaces or control characters, at most 254 characters. */
const PLAUSIBLE = /^[^\s@\p{C}]{1,64}@[^\s@\p{C}.]+(?:\.[^\s@\p{C}.]+)*$/u

/** Whether a canonical address could be one. Whether it is, only a letter to it would tell. */
export function isPlausibleEmail(canonical: string): boolean {
  return canonical.length <= 254 && PLAUSIBLE.test(canonical)
}
