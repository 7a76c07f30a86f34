import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type DocumentNode, GraphQLError, Kind, type OperationDefinitionNode, parse, validate } from 'graphql'
import { ConfigError } from '../../config.ts'
import { schema } from '../../schema/index.ts'

/*
 * The lists of operations that clients' build tools write:
 *
 *   an object of documents by their hash    GraphQL Code Generator, Relay, `npm run persist`
 *   a manifest                              Apollo: `generate-persisted-query-manifest`, Kotlin, iOS
 */

/** One operation of a list. */
export interface ListedOperation {
  /** How clients name it: the hash of its text, in hex and lower case. */
  id: string
  text: string
  document: DocumentNode
  /** How to speak of it to whoever wrote the list. */
  label: string
}

/** By the length of their hex digits. MD5 is Relay's default and SHA-1 Code Generator's: names here, and no protection. */
const ALGORITHMS: ReadonlyMap<number, string> = new Map([
  [32, 'md5'],
  [40, 'sha1'],
  [64, 'sha256'],
  [128, 'sha512'],
])

const ID = /^(?:(md5|sha1|sha256|sha512):)?([0-9a-f]+)$/

export const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The hash that an id consists of, without the name of its algorithm (`sha256:…`) and in lower case. */
export function bareId(id: string): string {
  const [, , digits] = ID.exec(id.toLowerCase()) ?? []
  return digits ?? id
}

function isHashOf(id: string, text: string): boolean {
  const [, named, digits = ''] = ID.exec(id.toLowerCase()) ?? []
  const algorithm = ALGORITHMS.get(digits.length)
  if (algorithm === undefined || (named !== undefined && named !== algorithm)) return false
  return createHash(algorithm).update(text).digest('hex') === digits
}

/** Why an entry, or a whole list, is not taken. */
class Unacceptable extends Error {}

const NO_HASH =
  'its key is not the MD5, SHA-1, SHA-256 or SHA-512 of its text. Other ids are not accepted: set your tool to SHA-256'

function listed(label: string, id: string, text: unknown): ListedOperation {
  if (typeof text !== 'string') throw new Unacceptable(`${label}: its value is not the text of a document`)
  if (!isHashOf(id, text)) throw new Unacceptable(`${label}: ${NO_HASH}`)
  try {
    const document = parse(text, { noLocation: true })
    if (!document.definitions.some(isOperation)) throw new Unacceptable(`${label}: its text has no operation`)
    return { id: bareId(id), text, document, label }
  } catch (error) {
    if (error instanceof GraphQLError) throw new Unacceptable(`${label}: ${error.message}`)
    throw error
  }
}

const isOperation = (definition: DocumentNode['definitions'][number]): definition is OperationDefinitionNode =>
  definition.kind === Kind.OPERATION_DEFINITION

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function listedInManifest(entry: unknown, index: number): ListedOperation {
  const place = `operations[${index}]`
  if (!isObject(entry)) throw new Unacceptable(`${place}: it is not an object`)
  const { id, name, type, body } = entry
  if (typeof id !== 'string') throw new Unacceptable(`${place}: its id is not a text`)
  if (typeof name !== 'string') throw new Unacceptable(`${place}: its name is not a text`)
  if (typeof body !== 'string') throw new Unacceptable(`${place}: its body is not a text`)
  const label = `${place} (${short(name)})`
  const operation = listed(label, id, body)
  const isThere = operation.document.definitions.some(
    (definition) => isOperation(definition) && definition.name?.value === name && definition.operation === type,
  )
  if (!isThere) throw new Unacceptable(`${label}: its body has no operation of this name and type`)
  return operation
}

/** Some keys are whole documents. */
const short = (key: string): string => (key.length > 140 ? `${key.slice(0, 140)}…` : key)

/** What each entry of a list makes: an operation, or a reason. */
function* read(json: unknown): Generator<() => ListedOperation> {
  if (!isObject(json))
    throw new Unacceptable('it is neither an object of documents by their hash nor an Apollo manifest')
  if ('format' in json || 'operations' in json) {
    const { format, version, operations } = json
    if (format !== 'apollo-persisted-query-manifest')
      throw new Unacceptable('its format is not apollo-persisted-query-manifest')
    if (version !== 1) throw new Unacceptable('its version is not 1')
    if (!Array.isArray(operations)) throw new Unacceptable('its operations are not a list')
    for (const [index, entry] of operations.entries()) yield () => listedInManifest(entry, index)
  } else {
    for (const [id, text] of Object.entries(json)) yield () => listed(`entry "${short(id)}"`, id, text)
  }
}

/** What the schema refuses in an operation, with the line of its text. */
function schemaErrorsOf({ label, text, document }: ListedOperation): string[] {
  if (validate(schema, document).length === 0) return []
  // Once more with locations, which a valid document does not need.
  return validate(schema, parse(text)).map(
    ({ message, locations }) => `${label}, line ${locations?.[0]?.line ?? 1}: ${message}`,
  )
}

/** So many mistakes are named at once. */
const MISTAKES_MAX = 20

/**
 * Reads a list of operations, in any of the forms above.
 *
 * @throws {ConfigError} naming the file, each bad entry, and what is wrong with it, one line each. An entry that the schema
 *   refuses is bad: it was written for another version of the API.
 */
export async function readOperationList(path: string): Promise<ListedOperation[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new ConfigError(`${path} cannot be read.`)
  })
  const operations: ListedOperation[] = []
  const mistakes: string[] = []
  const note = (mistake: string) => mistakes.push(`${path}: ${mistake.replace(/\.$/, '')}.`)
  const take = (work: () => void) => {
    try {
      work()
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      note(error.message)
    }
  }
  take(() => {
    for (const operation of read(jsonOf(text))) take(() => operations.push(operation()))
  })
  for (const operation of operations) for (const error of schemaErrorsOf(operation)) note(error)
  if (mistakes.length > 0) throw new ConfigError(shortList(mistakes).join('\n'))
  return operations
}

function shortList(mistakes: readonly string[]): readonly string[] {
  const more = mistakes.length - MISTAKES_MAX
  return more > 0 ? [...mistakes.slice(0, MISTAKES_MAX), `… and ${more} more.`] : mistakes
}

function jsonOf(text: string): unknown {
  try {
    // Some tools write a byte order mark.
    return JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    throw new Unacceptable('it is not JSON')
  }
}
