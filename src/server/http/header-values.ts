import { LRUCache } from 'lru-cache'

/** What is known of a header's values: clients send few of them. */
const VALUES_MAX = 100
/** A longer value is judged anew each time. */
const LENGTH_MAX = 256

/**
 * A function of a header's value that remembers what it answered. Values that nobody sends any more make room for others, so
 * junk does not keep it from learning.
 */
export function remembering<Answer extends object>(judge: (value: string) => Answer): (value: string) => Answer {
  const answers = new LRUCache<string, Answer>({
    max: VALUES_MAX,
    maxEntrySize: LENGTH_MAX + 1,
    sizeCalculation: (_answer, value) => value.length + 1,
    memoMethod: judge,
  })
  return (value) => answers.memo(value)
}
