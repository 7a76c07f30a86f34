import { GraphQLError } from 'graphql'

export interface InvalidField {
  /** Where, as in `input.amount`. */
  path: string
  /** Why, without the value. */
  message: string
}

/**
 * Input that breaks a rule. One class for two uses: a member of a mutation's union, and everywhere else a plain
 * BAD_USER_INPUT.
 */
export class ValidationError extends GraphQLError {
  readonly code = 'VALIDATION'
  readonly retryable = false
  readonly fields: InvalidField[]
  constructor(
    issues: readonly { path: readonly PropertyKey[]; message: string }[],
    extensions: Record<string, unknown> = {},
  ) {
    const fields = issues.map(({ path, message }) => ({ path: path.join('.'), message }))
    super(fields.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; '), {
      extensions: { code: 'BAD_USER_INPUT', fields, ...extensions },
    })
    this.fields = fields
  }
}

/** One argument that breaks a rule only the ledger could tell. */
export function invalidArgument(path: string, message: string, extensions?: Record<string, unknown>): ValidationError {
  return new ValidationError([{ path: path.split('.'), message }], extensions)
}
