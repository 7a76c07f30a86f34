import { LRUCache } from 'lru-cache'

/** Of all documents that are kept, in characters: a parsed one takes up to some hundred times the memory of its text. */
const LENGTH_MAX = 128 * 1024
const DOCUMENTS_MAX = 1_000

/** What is kept of documents by their texts, so that no client makes it large. */
export function createDocumentCache<Kept extends object>(): LRUCache<string, Kept> {
  return new LRUCache({ max: DOCUMENTS_MAX, maxSize: LENGTH_MAX, sizeCalculation: (_kept, text) => text.length + 1 })
}
