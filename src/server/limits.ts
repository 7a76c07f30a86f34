import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { runsLedger } from '../auth/viewer.ts'
import type { Context } from '../schema/context.ts'

/*
 * What a document may ask, on every transport: these are hooks of GraphQL's own steps. What can be told from the document
 * alone is told before it is validated, since some rules of validation take the square of what they are given.
 */

/** Characters, comments included: what is kept of a document is many times as large. */
export const DOCUMENT_LENGTH_MAX = 64 * 1024
/** Of punctuation, names and values. GraphiQL's introspection has 300. */
export const TOKENS_MAX = 2_000
/** Fields, each fragment counted wherever it is spread. */
export const FIELDS_MAX = 1_000
export const ALIASES_MAX = 100

export interface CostLimits {
  userCostMax: number
  operatorCostMax: number
}

const refusal = (message: string, code = 'BAD_REQUEST') =>
  new GraphQLError(message, { extensions: { code, http: { status: 400 } } })

/** Looks at a document before graphql-js does. */
export const limitsDocuments: Plugin = {
  onParse({ params, parseFn, setParseFn }) {
    if (params.source.toString().length > DOCUMENT_LENGTH_MAX)
      throw refusal(`The document is longer than ${DOCUMENT_LENGTH_MAX} characters.`)
    setParseFn((source, options) => parseFn(source, { ...options, maxTokens: TOKENS_MAX }))
  },
}

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
  const sizeOf = (set: SelectionSetNode): Size => {
    const size = { ...NOTHING }
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        size.fields++
        if (selection.alias) size.aliases++
        if (selection.name.value === 'login') size.logins++
      }
      const below =
        selection.kind === Kind.FRAGMENT_SPREAD
          ? sizeOfFragment(selection.name.value)
          : selection.selectionSet && sizeOf(selection.selectionSet)
      if (!below) continue
      size.fields += below.fields
      size.aliases += below.aliases
      size.logins += below.logins
    }
    return size
  }
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue
    const { fields, aliases, logins } = sizeOf(definition.selectionSet)
    if (fields > FIELDS_MAX) return refusal(`It asks for more than ${FIELDS_MAX} fields.`)
    if (aliases > ALIASES_MAX) return refusal(`It has more than ${ALIASES_MAX} aliases.`)
    if (logins > 1) return refusal('One operation may sign in once.')
  }
  return undefined
}

interface Size {
  fields: number
  aliases: number
  logins: number
}

const NOTHING: Size = { fields: 0, aliases: 0, logins: 0 }

/** Looks at an operation with its variables, before anything of it is carried out. */
export function limitsCost(limits: CostLimits): Plugin {
  const refusalOf = (args: ExecutionArgs): GraphQLError | undefined => {
    const context = args.contextValue as Context
    const max = runsLedger(context.viewer) ? limits.operatorCostMax : limits.userCostMax
    const cost = costOf(args)
    return cost > max ? refusal(`It costs ${Math.ceil(cost)} points, and may cost ${max}.`, 'TOO_COSTLY') : undefined
  }
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const refused = refusalOf(args)
      if (refused) setResultAndStopExecution({ errors: [refused] })
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const refused = refusalOf(args)
      if (refused) setResultAndStopExecution({ errors: [refused] })
    },
  }
}

/** An operation, for the adding up. */
interface Question {
  /** The operation with all fragments of its document: what the costs of fields are added up over. */
  document: DocumentNode
  /** What it costs, where no variable has a say in that. */
  cost?: number
}

const questions = new WeakMap<OperationDefinitionNode, Question>()

function costOf({ schema, document, operationName, variableValues, contextValue }: ExecutionArgs): number {
  const operation = getOperationAST(document, operationName)
  // Which there is none, or too many, execution tells.
  if (!operation) return 0
  let question = questions.get(operation)
  if (!question) {
    const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
    question = { document: { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] } }
    questions.set(operation, question)
  }
  if (question.cost !== undefined) return question.cost
  try {
    const options = { schema, variables: variableValues ?? {}, ctx: contextValue as object }
    const { complexity } = complexityFromQuery(question.document, options)
    if (!dependsOnVariables(question.document, schema)) question.cost = complexity
    return complexity
  } catch (error) {
    // Of variables, or of literals beside them, that are not what they should be: execution tells what is wrong.
    if (error instanceof GraphQLError) return 0
    throw error
  }
}

/** Whether a variable stands in an argument of a field whose cost goes by its arguments. */
function dependsOnVariables(document: DocumentNode, schema: GraphQLSchema): boolean {
  const types = new TypeInfo(schema)
  let depends = false
  const follow = visitWithTypeInfo(types, {
    Variable() {
      if (typeof types.getFieldDef()?.extensions.complexity === 'function') depends = true
    },
  })
  visit(document, follow)
  return depends
}
