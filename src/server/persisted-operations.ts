import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { concatAST, type DocumentNode, GraphQLError, parse, print, separateOperations, validate } from 'graphql'
import type { GraphQLParams, Plugin } from 'graphql-yoga'
import { ConfigError } from '../config.ts'
import { schema } from '../schema/index.ts'

/** The only documents that run, by the hex of their SHA-256. */
export type PersistedOperations = ReadonlyMap<string, string>

export const sha256Of = (document: string) => createHash('sha256').update(document).digest('hex')

/**
 * Reads an allow-list: a JSON object of documents by their SHA-256, as `npm run persist` writes it.
 *
 * @throws {ConfigError} saying what is wrong with the file.
 */
export async function readPersistedOperations(path: string): Promise<PersistedOperations> {
  const entries = await readFile(path, 'utf8')
    .then((text) => Object.entries(JSON.parse(text) as Record<string, unknown>))
    .catch(() => {
      throw new ConfigError(`PERSISTED_OPERATIONS: ${path} cannot be read, or is no JSON.`)
    })
  for (const [hash, document] of entries) {
    if (typeof document !== 'string' || sha256Of(document) !== hash)
      throw new ConfigError(`${path} is not a list of operations: ${hash} is not the SHA-256 of its document.`)
  }
  return new Map(entries as [string, string][])
}

/** As it was sent: of any type. */
interface Params {
  query?: unknown
  documentId?: unknown
  extensions?: Readonly<Record<string, unknown>> | null | undefined
}

/**
 * The document that is meant: by `documentId` (GraphQL over HTTP), by Apollo's `extensions.persistedQuery`, or word for
 * word.
 *
 * @throws {GraphQLError} when it is not on the list.
 */
export function persistedDocument({ query, documentId, extensions }: Params, operations: PersistedOperations): string {
  const apollo = (extensions as { persistedQuery?: { sha256Hash?: unknown } } | undefined)?.persistedQuery?.sha256Hash
  const named = documentId ?? apollo
  const hash =
    typeof named === 'string' ? named.replace(/^sha256:/, '') : sha256Of(typeof query === 'string' ? query : '')
  const document = operations.get(hash)
  if (document !== undefined) return document
  throw new GraphQLError('It is not one of the operations that this server runs.', {
    extensions: { code: 'PERSISTED_QUERY_NOT_FOUND', http: { status: 400 } },
  })
}

/** For HTTP. */
export function runsPersistedOperations(operations: PersistedOperations): Plugin {
  return {
    onParams({ request, params, setParams }) {
      const { documentId: inBody, ...rest } = params as GraphQLParams & { documentId?: unknown }
      // Yoga knows no more of a URL than four parameters.
      const documentId = request.method === 'GET' ? new URL(request.url).searchParams.get('documentId') : inBody
      setParams({ ...rest, query: persistedDocument({ ...rest, documentId }, operations) })
    },
  }
}

function readOperations(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => {
    throw new ConfigError(`${path} cannot be read.`)
  })
}

function parseFile(text: string, path: string): DocumentNode {
  try {
    return parse(text)
  } catch (error) {
    const { message, locations } = error as GraphQLError
    throw new ConfigError(`${path}:${locations?.[0]?.line ?? 1}: ${message}`)
  }
}

/**
 * The allow-list of a client: every operation of its files by itself, with the fragments that it uses from any of them. Clients send
 * it word for word as it stands in this list, or its hash.
 *
 * @returns the JSON of it.
 * @throws {ConfigError} when there is nothing to list, or a name is there twice.
 */
export async function persistOperations(paths: readonly string[]): Promise<string> {
  const texts = await Promise.all(paths.map(readOperations))
  const document = concatAST(texts.map((text, index) => parseFile(text, paths[index] as string)))
  const errors = validate(schema, document)
  if (errors.length > 0) throw new ConfigError(errors.map(({ message }) => message).join('\n'))
  const operations = Object.values(separateOperations(document)).map((operation) => print(operation))
  if (operations.length === 0)
    throw new ConfigError('Say in which files the operations are: npm run --silent persist -- *.graphql')
  return JSON.stringify(Object.fromEntries(operations.map((operation) => [sha256Of(operation), operation])), null, 2)
}
