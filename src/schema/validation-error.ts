import { GraphQLError } from 'graphql'
import type { RequestCode } from './request-codes.ts'
import { extensionsOf } from './request-error.ts'
import { RESULT_CODES } from './result-codes.ts'

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

type InputCode = Extract<RequestCode, 'BAD_USER_INPUT' | 'CURSOR_EXPIRED'>

interface InputErrorOptions {
  /** Outside of mutations. */
  code?: InputCode
  extensions?: Readonly<Record<string, unknown>>
}

/** Input that breaks a rule: a member of a mutation's union, and an entry of `errors` everywhere else. */
export class ValidationError extends GraphQLError {
  readonly code = 'VALIDATION'
  readonly retryable = RESULT_CODES.VALIDATION.retryable
  readonly fields: InvalidField[]
  constructor(
    issues: readonly { path: readonly PropertyKey[]; message: string }[],
    { code = 'BAD_USER_INPUT', extensions }: InputErrorOptions = {},
  ) {
    const fields = issues.slice(0, ISSUES_MAX).map(({ path, message }) => ({ path: path.join('.'), message }))
    super(messageOfIssues(fields, issues.length), { extensions: extensionsOf(code, { fields, ...extensions }) })
    this.fields = fields
    // Not a fault of ours: nobody reads where it was made, and graphql-js would work that out, at 0.2 ms an error.
    Object.defineProperty(this, 'stack', { value: undefined })
  }
}

/** The error for one argument that breaks a rule only the ledger can check. */
export function invalidArgument(path: string, message: string, options?: InputErrorOptions): ValidationError {
  return new ValidationError([{ path: path.split('.'), message }], options)
}
