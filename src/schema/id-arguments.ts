import { InputTypeRef, type SchemaTypes } from '@pothos/core'
import type { ZodType } from 'zod'
import { builder } from './builder.ts'
import { accountId, accountIdAlone, apiTokenId, attemptId, transactionId, userId } from './ids.ts'

/*
 * Arguments and input fields of GraphQL's type ID, with the type of what their zod schema makes of them.
 *
 * Pothos' zod plugin gives resolvers what a `schema` returns, of an argument, an input field or the items of a list. So such a
 * schema may transform its value; a `refine` may not. The types of the plugin say nothing of it: there, an argument is what
 * its GraphQL type is. Hence a reference to ID for each schema.
 */

/** To be spread into the options of an argument. */
function idArgument<Id extends string>(schema: ZodType<Id>) {
  const type = new InputTypeRef<SchemaTypes, Id>('Scalar', 'ID')
  builder.configStore.associateParamWithRef(type, 'ID')
  return { type, validate: { schema } }
}

export const userArgument = idArgument(userId)
export const accountArgument = idArgument(accountId)
export const accountAloneArgument = idArgument(accountIdAlone)
export const transactionArgument = idArgument(transactionId)
export const attemptArgument = idArgument(attemptId)
export const apiTokenArgument = idArgument(apiTokenId)
