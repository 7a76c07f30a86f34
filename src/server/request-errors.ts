import {
  type ASTVisitor,
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
  Kind,
  NoSchemaIntrospectionCustomRule,
  type SelectionSetNode,
  specifiedRules,
  typeFromAST,
  type ValidationContext,
  type ValidationRule,
  ValuesOfCorrectTypeRule,
  validate,
  visitInParallel,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { DepthRule } from './depth.ts'
import { excessOf, TOKENS_MAX } from './excess.ts'

/*
 * Request errors without the values in them. graphql-js echoes the whole input, passwords included, when a literal or
 * a variable has the wrong type; here such errors are made again, with the path and the reason only.
 */

interface Issue {
  path: string
  message: string
}

function badUserInput(issues: readonly Issue[], nodes?: GraphQLError['nodes']): GraphQLError {
  return new GraphQLError(issues.map(({ path, message }) => `${path}: ${message}`).join('; '), {
    ...(nodes ? { nodes } : {}),
    extensions: { code: 'BAD_USER_INPUT', fields: issues },
  })
}

/** The reason alone: graphql-js puts the value after a colon or a semicolon, or within quotes. */
function reasonOf(message: string): string {
  if (/\benum\b/i.test(message)) return 'is not one of the values of the enum'
  if (/, found /.test(message)) return message.slice(0, message.indexOf(', found ')).replace(/$/, '.')
  return message.split(/[:;] /)[0] ?? message
}

/** Our own scalars give a reason that is safe as it is. */
function messageOf(error: GraphQLError): string {
  const { originalError } = error
  if (originalError instanceof GraphQLError && originalError.extensions.code === 'BAD_USER_INPUT')
    return originalError.message
  if (error.extensions.code === 'BAD_USER_INPUT') return error.message
  return reasonOf(error.message)
}

const refusal = (message: string) =>
  new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } })

/** Reads a document, whose nesting may be deeper than the stack. Once it is carried out that would be a fault of ours. */
function read<Parameters extends unknown[], Result>(step: (...parameters: Parameters) => Result) {
  return (...parameters: Parameters): Result => {
    try {
      return step(...parameters)
    } catch (error) {
      if (error instanceof RangeError && /call stack/.test(error.message)) throw refusal('It is nested too deeply.')
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
  if (error instanceof SyntaxError) return refusal('`variables` and `extensions` must be JSON.')
  if (!(error instanceof GraphQLError)) return undefined
  if (error.extensions.originalError) return refusal(error.message)
  if (!error.message.startsWith('Syntax Error: ')) return undefined
  if (error.message.includes('Parsing aborted')) return refusal(`The document has more than ${TOKENS_MAX} tokens.`)
  const message = error.message.replace(/\b(Name|String|BlockString|Int|Float|Comment) ".*"/s, '$1')
  return new GraphQLError(message, { source: error.source, positions: error.positions, extensions: error.extensions })
}

/** Like the rule it stands for, but its errors name the argument and the reason, and never the literal. */
const LiteralsOfCorrectTypeRule: ValidationRule = (context: ValidationContext): ASTVisitor => {
  const path: (string | number)[] = []
  const follow: ASTVisitor = {
    enter(node, key) {
      if (node.kind === Kind.ARGUMENT || node.kind === Kind.OBJECT_FIELD) path.push(node.name.value)
      else if (node.kind === Kind.VARIABLE_DEFINITION) path.push(node.variable.name.value)
      else if (typeof key === 'number' && path.length > 0) path.push(key)
    },
    leave(node, key) {
      const named =
        node.kind === Kind.ARGUMENT || node.kind === Kind.OBJECT_FIELD || node.kind === Kind.VARIABLE_DEFINITION
      if (named || (typeof key === 'number' && path.length > 0)) path.pop()
    },
  }
  const quiet: ValidationContext = Object.create(context, {
    reportError: {
      value: (error: GraphQLError) =>
        context.reportError(badUserInput([{ path: path.join('.'), message: messageOf(error) }], error.nodes)),
    },
  })
  // The inner rule leaves what it enters before we do, and enters it after.
  return visitInParallel([follow, ValuesOfCorrectTypeRule(quiet)])
}

/** A subscription has one root field, always: whether it is there cannot depend on a variable. */
const SubscriptionWithoutConditionsRule: ValidationRule = (context: ValidationContext): ASTVisitor => ({
  OperationDefinition(operation) {
    if (operation.operation !== 'subscription') return
    const seen = new Set<SelectionSetNode>()
    const check = (selectionSet: SelectionSetNode | undefined) => {
      if (!selectionSet || seen.has(selectionSet)) return
      seen.add(selectionSet)
      for (const selection of selectionSet.selections) {
        if (selection.directives?.some(({ name }) => name.value === 'skip' || name.value === 'include')) {
          context.reportError(
            new GraphQLError('The field of a subscription takes no @skip and no @include.', { nodes: selection }),
          )
        }
        // The field may stand in a fragment.
        if (selection.kind === Kind.INLINE_FRAGMENT) check(selection.selectionSet)
        if (selection.kind === Kind.FRAGMENT_SPREAD) check(context.getFragment(selection.name.value)?.selectionSet)
      }
    }
    check(operation.selectionSet)
  },
})

const RULES = [
  ...specifiedRules.map((rule) => (rule === ValuesOfCorrectTypeRule ? LiteralsOfCorrectTypeRule : rule)),
  DepthRule,
  SubscriptionWithoutConditionsRule,
]

/** A megabyte of nonsense is not answered with thirty. */
const ISSUES_MAX = 50

/** What is wrong with the variables of an operation, each with its path. */
function variableIssues(args: ExecutionArgs, hideSuggestions: boolean): Issue[] {
  const { schema, document, operationName, variableValues } = args
  const issues: Issue[] = []
  for (const definition of getOperationAST(document, operationName)?.variableDefinitions ?? []) {
    const name = definition.variable.name.value
    const type = typeFromAST(schema as GraphQLSchema, definition.type as never)
    if (!type || !isInputType(type)) continue
    const value = variableValues?.[name]
    if (value === undefined || value === null) {
      if (isNonNullType(type) && (value === null || !definition.defaultValue))
        issues.push({ path: name, message: 'is required' })
      continue
    }
    const onError: Parameters<typeof coerceInputValue>[2] = (path, _value, error) => {
      if (issues.length >= ISSUES_MAX) return
      issues.push({ path: [name, ...path].join('.'), message: isEnumType(type) ? reasonOf('enum') : messageOf(error) })
    }
    coerceInputValue(value, type, onError, hideSuggestions)
  }
  return issues
}

/** The errors of an operation that never began. */
function withoutValues(args: ExecutionArgs, result: ExecutionResult, hideSuggestions: boolean): ExecutionResult {
  if (!result.errors || 'data' in result) return result
  const issues = variableIssues(args, hideSuggestions)
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
 * Keeps what clients sent out of the answers to requests that could not be begun, on every transport. Where there is no
 * introspection, no error offers a name in place of a wrong one: that would tell the schema.
 */
export function requestErrorsWithoutValues({ introspection }: { introspection: boolean }): Plugin {
  const rules = [...RULES, ...(introspection ? [] : [NoSchemaIntrospectionCustomRule])]
  const hideSuggestions = !introspection
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
          withoutStacks(() => validate(schema, document, rules, { hideSuggestions })),
        ) as never,
      )
    },
    onExecute({ args }) {
      return {
        onExecuteDone({ result, setResult }) {
          if (!(Symbol.asyncIterator in result)) setResult(withoutValues(args, result, hideSuggestions))
        },
      }
    },
    onSubscribe({ args }) {
      return {
        onSubscribeResult({ result, setResult }) {
          if (Symbol.asyncIterator in result) return
          const { errors, ...rest } = withoutValues(args, result as ExecutionResult, hideSuggestions)
          setResult({ ...rest, ...(errors && { errors: errors.map(withoutArgumentValue) }) } as never)
        },
      }
    },
  }
}
