import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import { runsLedger } from '../../auth/model/viewer.ts'
import { refusedRequest } from '../../schema/request-error.ts'
import { recordFor } from '../http-request.ts'
import { CostTurns } from './cost-turns.ts'
import { DOCUMENT_LENGTH_MAX, TOKENS_MAX } from './document-limits.ts'
import type { OperationArgs, Plugin } from './plugin.ts'
import { withoutArgumentValue } from './request-errors.ts'
import { measureVariables } from './variable-limits.ts'
import { countedAs } from './viewer-count.ts'

/* What may be asked, on every transport: these are hooks of GraphQL's own steps. */

export interface CostLimits {
  userCostMax: number
  operatorCostMax: number
}

/** Looks at a document before graphql-js does. */
export const limitsDocuments: Plugin = {
  onParse({ params, parseFn, setParseFn }) {
    if (params.source.toString().length > DOCUMENT_LENGTH_MAX)
      throw refusedRequest(
        'BAD_REQUEST',
        `The document is longer than ${DOCUMENT_LENGTH_MAX} characters. Split it into several requests.`,
      )
    setParseFn((source, options) => parseFn(source, { ...options, maxTokens: TOKENS_MAX }))
  },
}

/**
 * Looks at an operation with its variables, before anything of it is carried out. One that costs much waits for its turn.
 *
 * @param limits `operationDeadlineMs`: how long it waits at most.
 */
export function limitsCost(limits: CostLimits & { operationDeadlineMs: number }): Plugin {
  const turns = new CostTurns({ deadlineMs: limits.operationDeadlineMs })
  /** In points, or why it is refused. */
  const costWithinLimits = (args: OperationArgs): number | GraphQLError => {
    const { excess } = measureVariables(args.variableValues)
    if (excess) return excess
    const context = args.contextValue
    const max = runsLedger(context.viewer) ? limits.operatorCostMax : limits.userCostMax
    const cost = costOf(args)
    // It would fail by itself, but the rest of the operation would be carried out, at a cost that nobody knows.
    if (cost instanceof GraphQLError) return withoutArgumentValue(cost)
    const record = recordFor(context)
    if (record) record.cost = Math.ceil(cost)
    if (cost <= max) return cost
    return refusedRequest(
      'TOO_COSTLY',
      `Query cost ${Math.ceil(cost)} exceeds the limit of ${max}. Ask for fewer fields or smaller pages.`,
    )
  }
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const cost = costWithinLimits(args)
      if (cost instanceof GraphQLError) return setResultAndStopExecution({ errors: [cost] })
      return turns.take(countedAs(args.contextValue), cost)?.then((release) => {
        if (release) return { onExecuteDone: release }
        setResultAndStopExecution({ errors: [refusedRequest('OVERLOADED')] })
        return undefined
      })
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const cost = costWithinLimits(args)
      if (cost instanceof GraphQLError) setResultAndStopExecution({ errors: [cost] })
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

/** The points; or the error of an argument that they depend on. */
function costOf({ schema, document, operationName, variableValues, contextValue }: ExecutionArgs) {
  const operation = getOperationAST(document, operationName)
  // Execution reports that there is no such operation, or that the document has several.
  if (!operation) return 0
  let question = questions.get(operation)
  if (!question) {
    const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
    question = { document: { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] } }
    questions.set(operation, question)
  }
  if (question.cost !== undefined) return question.cost
  const variables = variableValues ?? {}
  // Invalid variables are reported by execution, which then does nothing else. One error is enough here: 20,000 of them
  // take seconds.
  if (getVariableValues(schema, operation.variableDefinitions ?? [], variables, { maxErrors: 1 }).errors) return 0
  try {
    const options = { schema, variables, ctx: contextValue as object }
    const { complexity } = complexityFromQuery(question.document, options)
    if (!dependsOnVariables(question.document, schema)) question.cost = complexity
    return complexity
  } catch (error) {
    if (error instanceof GraphQLError) return error
    throw error
  }
}

/** Whether a variable is used in an argument of a field whose cost depends on its arguments. */
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
