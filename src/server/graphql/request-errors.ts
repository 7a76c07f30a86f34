import {
  coerceInputValue,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  isEnumType,
  isInputType,
  isNonNullType,
  NoSchemaIntrospectionCustomRule,
  typeFromAST,
  validate,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { extensionsOf, refusedRequest } from '../../schema/request-error.ts'
import { type InvalidField, ISSUES_MAX } from '../../schema/validation-error.ts'
import { BAD_USER_INPUT, badUserInput, messageOf, reasonOf } from './bad-user-input.ts'
import { excessOf, TOKENS_MAX } from './document-limits.ts'
import { errorWithHiddenNames, fieldsIn, withHiddenNames } from './hidden-names.ts'
import { VALIDATION_RULES } from './validation-rules.ts'

/*
 * Request errors without the values in them. graphql-js echoes the whole input, passwords included, when a literal or
 * a variable has the wrong type; here such errors are made again, with the path and the reason only.
 */

/** Reads a document, whose nesting may be deeper than the stack. Once it is carried out that would be a fault of ours. */
function read<Parameters extends unknown[], Result>(step: (...parameters: Parameters) => Result) {
  return (...parameters: Parameters): Result => {
    try {
      return step(...parameters)
    } catch (error) {
      if (error instanceof RangeError && /call stack/.test(error.message))
        throw refusedRequest('BAD_REQUEST', 'The document is nested too deeply. Ask for fewer levels.')
      throw error
    }
  }
}

/** graphql-js says this of a literal with a variable in it, whose value is bad, and repeats the whole literal. */
const ARGUMENT_WORDS = /^Argument "(\w+)" (?:has invalid value|of (?:non-null|required) type)/

/** The same error without the value; any other error as it is. */
export function withoutArgumentValue(error: GraphQLError): GraphQLError {
  const isOfGraphql = !error.originalError || error.originalError instanceof GraphQLError
  const [, argument] = (isOfGraphql && !error.extensions.code && ARGUMENT_WORDS.exec(error.message)) || []
  if (argument === undefined) return error
  const refused = badUserInput([{ path: argument, message: 'is not valid' }], error.nodes)
  return new GraphQLError(refused.message, {
    nodes: error.nodes ?? null,
    path: error.path ?? null,
    extensions: refused.extensions,
  })
}

/**
 * The error of a request that could not be read, without what was sent: graphql-js quotes the token it stumbles on, and
 * JSON.parse the text. Undefined for any other error.
 */
export function unreadableRequest(error: unknown): GraphQLError | undefined {
  if (error instanceof SyntaxError) return refusedRequest('BAD_REQUEST', '`variables` and `extensions` must be JSON.')
  if (!(error instanceof GraphQLError)) return undefined
  if (error.extensions.originalError) return refusedRequest('BAD_REQUEST', error.message)
  if (!error.message.startsWith('Syntax Error: ')) return undefined
  if (error.message.includes('Parsing aborted'))
    return refusedRequest(
      'BAD_REQUEST',
      `The document has more than ${TOKENS_MAX} tokens. Split it into several requests.`,
    )
  const message = error.message.replace(/\b(Name|String|BlockString|Int|Float|Comment) ".*"/s, '$1')
  // Yoga adds the code over HTTP alone.
  const extensions = extensionsOf('GRAPHQL_PARSE_FAILED', error.extensions)
  return new GraphQLError(message, { source: error.source, positions: error.positions, extensions })
}

/** Thrown to end the search for issues: `ISSUES_MAX` are known. */
const ENOUGH = Symbol('enough issues')

/** What is wrong with the variables of an operation, each with its path. */
function variableIssues(args: ExecutionArgs, hidesNames: boolean): InvalidField[] {
  const { schema, document, operationName, variableValues } = args
  const issues: InvalidField[] = []
  const fieldsSent = hidesNames ? fieldsIn(variableValues) : undefined
  const shown = (message: string) => (hidesNames ? withHiddenNames(message, document, fieldsSent) : message)
  for (const definition of getOperationAST(document, operationName)?.variableDefinitions ?? []) {
    const name = definition.variable.name.value
    const type = typeFromAST(schema, definition.type)
    if (!type || !isInputType(type)) continue
    const value = variableValues?.[name]
    if (value === undefined || value === null) {
      if (isNonNullType(type) && (value === null || !definition.defaultValue))
        issues.push({ path: name, message: 'is required' })
      continue
    }
    const onError: Parameters<typeof coerceInputValue>[2] = (path, _value, error) => {
      if (issues.length >= ISSUES_MAX) throw ENOUGH
      const message = isEnumType(type) ? reasonOf('enum') : shown(messageOf(error))
      issues.push({ path: [name, ...path].join('.'), message })
    }
    try {
      coerceInputValue(value, type, onError, hidesNames)
    } catch (error) {
      if (error !== ENOUGH) throw error
      break
    }
  }
  return issues
}

/** The errors of an operation that never began. */
function withoutValues(args: ExecutionArgs, result: ExecutionResult, hidesNames: boolean): ExecutionResult {
  if (!result.errors || 'data' in result) return result
  // Refused by a limit: its variables may be too large to look at.
  if (result.errors.some(({ extensions: { code = BAD_USER_INPUT } }) => code !== BAD_USER_INPUT)) return result
  const issues = withoutStacks(() => variableIssues(args, hidesNames))
  return issues.length > 0 ? { errors: [badUserInput(issues)] } : result
}

/** Errors are kept for documents that are sent again; with a stack each would hold all that validation knew, some 80 KB. */
function withoutStacks<Result>(work: () => Result): Result {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/**
 * Keeps what clients sent out of the answers to requests that could not be begun, on every transport. Without
 * introspection, no error names a part of the schema that the client did not name.
 */
export function requestErrorsWithoutValues({ introspection }: { introspection: boolean }): Plugin {
  const rules = [...VALIDATION_RULES, ...(introspection ? [] : [NoSchemaIntrospectionCustomRule])]
  const hidesNames = !introspection
  /** Documents that are known not to ask for too much. */
  const bounded = new WeakSet<DocumentNode>()
  return {
    onParse({ parseFn, setParseFn }) {
      setParseFn(read(parseFn))
    },
    onValidate({ params, setValidationFn, setResult }) {
      if (!bounded.has(params.documentAST)) {
        const excess = excessOf(params.documentAST)
        if (excess) return setResult([excess])
        bounded.add(params.documentAST)
      }
      setValidationFn(
        read((schema: GraphQLSchema, document: DocumentNode) =>
          withoutStacks(() => {
            const errors = validate(schema, document, rules, { hideSuggestions: hidesNames })
            return hidesNames ? errors.map((error) => errorWithHiddenNames(error, document)) : errors
          }),
        ),
      )
    },
    onExecute({ args }) {
      return {
        onExecuteDone({ result, setResult }) {
          if (!(Symbol.asyncIterator in result)) setResult(withoutValues(args, result, hidesNames))
        },
      }
    },
    onSubscribe({ args }) {
      return {
        onSubscribeResult({ result, setResult }) {
          if (Symbol.asyncIterator in result) return
          const { errors, ...rest } = withoutValues(args, result as ExecutionResult, hidesNames)
          setResult({ ...rest, ...(errors && { errors: errors.map(withoutArgumentValue) }) })
        },
      }
    },
  }
}
