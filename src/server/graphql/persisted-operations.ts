import { parse, print } from 'graphql'
import type { GraphQLParams } from 'graphql-yoga'
import { LRUCache } from 'lru-cache'
import { ConfigError } from '../../config.ts'
import { refusedRequest } from '../../schema/request-error.ts'
import { canonicalForm, operationsFirst, withTypenames } from './canonical-document.ts'
import { DOCUMENT_LENGTH_MAX, TOKENS_MAX } from './document-limits.ts'
import { bareId, type ListedOperation, readOperationList, sha256Of } from './operation-list.ts'
import type { Plugin } from './plugin.ts'

/** Of all variants of listed documents that clients have sent, in characters. */
const VARIANTS_LENGTH_MAX = 1024 * 1024

/** The only documents that run: those of a list, and what clients make of them by adding `__typename` or printing anew. */
export class PersistedOperations {
  /** By the ids of the list, and by the SHA-256 of each text that is known beforehand to be sent for one of them. */
  readonly #texts = new Map<string, string>()
  /** SHA-256 of canonical forms. */
  readonly #forms = new Set<string>()
  /** By SHA-256: texts that were sent, and found to be in canonical form what a listed one is. */
  readonly #variants = new LRUCache<string, string>({
    maxSize: VARIANTS_LENGTH_MAX,
    sizeCalculation: (text) => text.length + 1,
  })

  constructor(operations: readonly ListedOperation[]) {
    for (const { document, text } of operations) {
      this.#forms.add(sha256Of(canonicalForm(document)))
      for (const sent of [document, operationsFirst(document)]) {
        for (const variant of [print(sent), print(withTypenames(sent))]) this.#texts.set(sha256Of(variant), variant)
      }
      this.#texts.set(sha256Of(text), text)
    }
    for (const { id, text } of operations) this.#texts.set(id, text)
  }

  /** The document that an id names. */
  byId(id: unknown): string | undefined {
    if (typeof id !== 'string') return undefined
    const bare = bareId(id)
    return this.#texts.get(bare) ?? this.#variants.get(bare)
  }

  /** A text, as it is, if it is a listed document or equivalent to one. */
  admit(text: string): string | undefined {
    if (text.length > DOCUMENT_LENGTH_MAX) return undefined
    const id = sha256Of(text)
    const known = this.#texts.get(id) ?? this.#variants.get(id)
    if (known !== undefined) return known
    if (!this.#forms.has(sha256Of(formOf(text)))) return undefined
    this.#variants.set(id, text)
    return text
  }
}

/** Empty for what is no document, or too long a one: no list has that. */
function formOf(text: string): string {
  try {
    return canonicalForm(parse(text, { noLocation: true, maxTokens: TOKENS_MAX }))
  } catch {
    return ''
  }
}

/**
 * Reads a list of the only operations that may run.
 *
 * @throws {ConfigError} saying what is wrong with the file.
 */
export async function readPersistedOperations(path: string): Promise<PersistedOperations> {
  try {
    return new PersistedOperations(await readOperationList(path))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(error.message.replace(/^/gm, 'PERSISTED_OPERATIONS: '))
  }
}

/** As it was sent: of any type. */
interface Params {
  query?: unknown
  documentId?: unknown
  extensions?: Readonly<Record<string, unknown>> | null | undefined
}

/** In `application/json` these are 200, as Apollo Server has it: some clients read the errors of no other answer. */
const IN_JSON = { isOkInJson: true }

/**
 * The document that is meant: by its text, by `documentId` (GraphQL over HTTP), or by Apollo's `extensions.persistedQuery`. A
 * `documentId` goes before a text, and a text before Apollo's hash, which clients send along with it.
 *
 * @param operations the only ones that may run; undefined: any may.
 * @throws {GraphQLError} when there is none, or it may not run. Apollo Client and urql read the message or the code of it, and
 * send the text instead of the hash.
 */
export function requestedDocument(
  { query, documentId, extensions }: Params,
  operations: PersistedOperations | undefined,
): string {
  const persistedQuery = extensions?.persistedQuery as { sha256Hash?: unknown } | null | undefined
  const hasText = query != null && query !== ''
  if (hasText && typeof query !== 'string') throw refusedRequest('BAD_REQUEST', '`query` must be a string.')
  if (!operations) {
    if (hasText) return query
    if (documentId == null && persistedQuery == null) throw refusedRequest('BAD_REQUEST', 'Send a document in `query`.')
    throw refusedRequest('PERSISTED_QUERY_NOT_SUPPORTED', undefined, IN_JSON)
  }
  if (documentId == null && hasText) {
    const text = operations.admit(query)
    if (text !== undefined) return text
    throw refusedRequest(
      'PERSISTED_QUERY_NOT_FOUND',
      'This server runs only the operations on its list, and this one is not on it. Ask its operator to list it.',
    )
  }
  if (documentId == null && persistedQuery == null)
    throw refusedRequest('BAD_REQUEST', 'Send a document in `query`, or its hash in `documentId`.')
  const text = operations.byId(documentId ?? persistedQuery?.sha256Hash)
  if (text !== undefined) return text
  throw refusedRequest('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound', IN_JSON)
}

/** For HTTP. */
export function runsRequestedDocuments(operations: PersistedOperations | undefined): Plugin {
  return {
    onParams({ request, params, setParams }) {
      // Yoga says what is wrong with it.
      if (typeof params !== 'object' || params === null) return
      const sent: GraphQLParams & { documentId?: unknown } = params
      // Yoga reads only four parameters from a URL.
      const isGet = request.method === 'GET'
      const named = isGet ? { ...sent, documentId: new URL(request.url).searchParams.get('documentId') } : sent
      const query = requestedDocument(named, operations)
      if (query !== sent.query) setParams({ ...sent, query })
    },
  }
}
