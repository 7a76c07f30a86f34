import { GraphQLError } from 'graphql'

export interface InvalidField {
  /** Where, as in `input.amount`. */
  path: string
  /** Why, without the value. */
  message: string
}

/** How many fields an error names: enough to see what is wrong, and no answer that is many times as long as the request. */
export const ISSUES_MAX = 50

/** How many of them its message repeats. */
const ISSUES_IN_MESSAGE_MAX = 10

/**
 * What is wrong, in one line.
 *
 * @param count how many issues there are in all.
 */
export function messageOfIssues(issues: readonly InvalidField[], count = issues.length): string {
  const named = issues
    .slice(0, ISSUES_IN_MESSAGE_MAX)
    .map(({ path, message }) => (path ? `${path}: ${message}` : message))
  const more = count - named.length
  return more > 0 ? `${named.join('; ')}; and ${more} more` : named.join('; ')
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
    const fields = issues.slice(0, ISSUES_MAX).map(({ path, message }) => ({ path: path.join('.'), message }))
    super(messageOfIssues(fields, issues.length), { extensions: { code: 'BAD_USER_INPUT', fields, ...extensions } })
    this.fields = fields
    // Not a fault of ours: nobody reads where it was made, and graphql-js would work that out, at 0.2 ms an error.
    Object.defineProperty(this, 'stack', { value: undefined })
  }
}

/** The error for one argument that breaks a rule only the ledger can check. */
export function invalidArgument(path: string, message: string, extensions?: Record<string, unknown>): ValidationError {
  return new ValidationError([{ path: path.split('.'), message }], extensions)
}
