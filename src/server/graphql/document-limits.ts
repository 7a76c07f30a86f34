import {
  type DocumentNode,
  type FieldNode,
  type GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'
import { refusedRequest, requestError } from '../../schema/request-error.ts'

/*
 * What a document may ask, whatever its variables are. It is checked before the document is validated, since some rules of
 * validation take the square of what they are given.
 */

/** Characters, comments included: what is kept of a document is many times as large. */
export const DOCUMENT_LENGTH_MAX = 64 * 1024
/** Of punctuation, names and values. GraphiQL's introspection has 300. */
export const TOKENS_MAX = 2_000
/** Fields, each fragment counted wherever it is spread. */
export const FIELDS_MAX = 1_000
export const ALIASES_MAX = 100
/** In characters. The answer repeats an alias for each item of a list: at 60,000, one operation could ask for 290 MB of them. */
export const ALIAS_LENGTH_MAX = 100
/** Under each alias all types of the schema could be walked through: 2 ms and more. Tools use none. */
export const INTROSPECTION_ALIASES_MAX = 10
/** Fields that end up as one in the answer are compared with each other, each with each: 20,000 pairs take 40 ms. */
const REPEATS_MAX = 5_000

/** Fields within each other, fragments included. Introspection by GraphiQL has 13; no question of a ledger has 32. */
export const DEPTH_MAX = 32

const refusal = (message: string) => refusedRequest('BAD_REQUEST', message)

const SPLIT = 'Split it into several requests.'

/** The fields that check a password: guesses are limited by operation too. */
const CHECKING_PASSWORDS: ReadonlySet<string> = new Set(['login', 'changePassword'])

/** What is asked for in a selection set, with its fragments. */
interface Size {
  fields: number
  aliases: number
  passwordChecks: number
  introspections: number
  /** The most fields that are within each other. */
  depth: number
}

const NOTHING: Size = { fields: 0, aliases: 0, passwordChecks: 0, introspections: 0, depth: 0 }
/** What adds up. */
const SUMS = ['fields', 'aliases', 'passwordChecks', 'introspections'] as const

/** What is too much in a document, or undefined. */
export function excessOf(document: DocumentNode): GraphQLError | undefined {
  const sizes = new Map<string, Size>()
  const fragments = new Map<string, SelectionSetNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition.selectionSet)
  }
  const sizeOfFragment = (name: string): Size => {
    const known = sizes.get(name)
    if (known) return known
    // Of a cycle, which validation refuses, and of a fragment that is not there.
    sizes.set(name, NOTHING)
    const set = fragments.get(name)
    const size = set ? sizeOf(set) : NOTHING
    sizes.set(name, size)
    return size
  }
  let hasLongAlias = false
  const sizeOf = (set: SelectionSetNode): Size => {
    const size = { ...NOTHING }
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        countField(size, selection)
        hasLongAlias ||= (selection.alias?.value.length ?? 0) > ALIAS_LENGTH_MAX
      }
      const below =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? sizeOfFragment(selection.name.value)
          : selection.selectionSet
            ? sizeOf(selection.selectionSet)
            : NOTHING
      for (const what of SUMS) size[what] += below[what]
      size.depth = Math.max(size.depth, below.depth + (selection.kind === Kind.FIELD ? 1 : 0))
    }
    return size
  }
  const repeats = repeatsOf(document, fragments)
  let tooDeep: OperationDefinitionNode | undefined
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue
    const { fields, aliases, passwordChecks, introspections, depth } = sizeOf(definition.selectionSet)
    if (definition.kind === Kind.OPERATION_DEFINITION && depth > DEPTH_MAX) tooDeep ??= definition
    if (fields > FIELDS_MAX) return refusal(`The document has more than ${FIELDS_MAX} fields. ${SPLIT}`)
    if (aliases > ALIASES_MAX) return refusal(`The document has more than ${ALIASES_MAX} aliases. ${SPLIT}`)
    if (hasLongAlias) return refusal(`An alias has more than ${ALIAS_LENGTH_MAX} characters. Shorten it.`)
    if (passwordChecks > 1) return refusal('An operation may check only one password. Send one operation for each.')
    if (introspections > 0 && aliases > INTROSPECTION_ALIASES_MAX)
      return refusal(`An introspection query has more than ${INTROSPECTION_ALIASES_MAX} aliases. ${SPLIT}`)
  }
  if (repeats > REPEATS_MAX)
    return refusal('The document repeats the same fields too many times. Ask for each field once.')
  return tooDeep && depthRefusal(tooDeep)
}

/**
 * Such an operation must not begin: an answer that cannot be written out must not belong to a posting that was committed.
 * It is answered as if validation refused it.
 */
const depthRefusal = (nodes: OperationDefinitionNode) =>
  requestError('BAD_REQUEST', `The document is nested too deeply: at most ${DEPTH_MAX} levels of fields.`, { nodes })

function countField(size: Size, { name: { value: name }, alias }: FieldNode): void {
  size.fields++
  if (alias) size.aliases++
  if (CHECKING_PASSWORDS.has(name)) size.passwordChecks++
  if (name === '__schema' || name === '__type') size.introspections++
}

/** A field of the answer, with all that is asked for below it. */
interface Merged {
  times: number
  below: Map<string, Merged>
}

/** Fields and spreads that are looked at, of all definitions together: fragments that spread each other in circles would never come to an end. */
const VISITS_MAX = 10 * FIELDS_MAX

/** How many pairs of fields there are at most that have one place in the answer of a definition; Infinity: too many to be counted. */
function repeatsOf(document: DocumentNode, fragments: ReadonlyMap<string, SelectionSetNode>): number {
  let pairs = 0
  let visits = 0
  const within = new Set<string>()
  const merge = (set: SelectionSetNode | undefined, below: Map<string, Merged>) => {
    for (const selection of set?.selections ?? []) {
      if (visits++ > VISITS_MAX) return
      if (selection.kind === Kind.FIELD) {
        const name = (selection.alias ?? selection.name).value
        const merged = below.get(name) ?? { times: 0, below: new Map() }
        below.set(name, merged)
        pairs += merged.times++
        merge(selection.selectionSet, merged.below)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        merge(selection.selectionSet, below)
      } else if (!within.has(selection.name.value)) {
        within.add(selection.name.value)
        merge(fragments.get(selection.name.value), below)
        within.delete(selection.name.value)
      }
    }
  }
  let most = 0
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue
    pairs = 0
    merge(definition.selectionSet, new Map())
    most = Math.max(most, pairs)
  }
  return visits > VISITS_MAX ? Number.POSITIVE_INFINITY : most
}
