import {
  defaultFieldResolver,
  type GraphQLFieldResolver,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInputObjectType,
  isListType,
  isObjectType,
} from 'graphql'
import type { Context } from './context.ts'

type Resolver = GraphQLFieldResolver<unknown, Context>

/** Makes every field that takes or returns a list work in slices. */
export function sliceLists(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    for (const field of Object.values(type.getFields())) {
      const resolve = field.resolve ?? defaultFieldResolver
      const answersList = isListType(getNullableType(field.type)) && isCompositeType(getNamedType(field.type))
      const sliced = answersList ? answeringInSlices(resolve) : resolve
      field.resolve = field.args.some(({ type }) => takesList(type)) ? takingInSlices(sliced) : sliced
    }
  }
  return schema
}

/** Whether a list may be in an argument, or in a field of it. */
function takesList(type: GraphQLInputType): boolean {
  const nullable = getNullableType(type)
  if (isListType(nullable)) return true
  return (
    isInputObjectType(nullable) &&
    Object.values(nullable.getFields()).some((field) => isListType(getNullableType(field.type)))
  )
}

const answeringInSlices =
  (resolve: Resolver): Resolver =>
  (source, args, context, info) => {
    const answer = resolve(source, args, context, info)
    const inSlices = (list: unknown) => (Array.isArray(list) ? context.slices.of(list) : list)
    return answer instanceof Promise ? answer.then(inSlices) : inSlices(answer)
  }

/** The slice comes first, since the items of the list are checked before the field is resolved. */
const takingInSlices =
  (resolve: Resolver): Resolver =>
  (source, args, context, info) => {
    const turn = context.slices.take(countItems(args))
    return turn ? turn.then(() => resolve(source, args, context, info)) : resolve(source, args, context, info)
  }

/** The items of all lists in arguments and in their fields. */
function countItems(args: object): number {
  let count = 0
  for (const value of Object.values(args)) {
    if (Array.isArray(value)) count += value.length
    else if (typeof value === 'object' && value !== null)
      for (const below of Object.values(value)) if (Array.isArray(below)) count += below.length
  }
  return count
}
