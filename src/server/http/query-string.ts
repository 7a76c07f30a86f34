/** Percent-encoded bytes that are not ASCII, without a gap. */
const RUN = /(?:%[89a-f][0-9a-f])+/gi

/**
 * Whether what is percent-encoded in a URL is UTF-8. A URL parser puts U+FFFD in place of what it cannot read, and would
 * make one text of two.
 */
export function isUtf8Url(url: string): boolean {
  try {
    for (const run of url.match(RUN) ?? []) decodeURIComponent(run)
    return true
  } catch {
    return false
  }
}
