import { GraphQLError } from 'graphql'
import type { RequestCode } from '../../schema/request-codes.ts'
import { requestError } from '../../schema/request-error.ts'
import { type InvalidField, messageOfIssues } from '../../schema/validation-error.ts'

/* The error of input that is not what the schema says: where it is wrong and why, never the value. */

export const BAD_USER_INPUT = 'BAD_USER_INPUT' satisfies RequestCode

export function badUserInput(issues: readonly InvalidField[], nodes?: GraphQLError['nodes']): GraphQLError {
  return requestError(BAD_USER_INPUT, messageOfIssues(issues), {
    ...(nodes ? { nodes } : {}),
    extensions: { fields: issues },
  })
}

/** The reason alone: graphql-js puts the value after a colon or a semicolon, or within quotes. */
export function reasonOf(message: string): string {
  if (/\benum\b/i.test(message)) return 'is not one of the values of the enum'
  if (/, found /.test(message)) return message.slice(0, message.indexOf(', found ')).replace(/$/, '.')
  return message.split(/[:;] /)[0] ?? message
}

/** Our own scalars give a reason that is safe as it is. */
export function messageOf(error: GraphQLError): string {
  const { originalError } = error
  if (originalError instanceof GraphQLError && originalError.extensions.code === BAD_USER_INPUT)
    return originalError.message
  if (error.extensions.code === BAD_USER_INPUT) return error.message
  return reasonOf(error.message)
}
