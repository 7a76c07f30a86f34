import { randomUUID } from 'node:crypto'
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredInputField,
} from 'graphql'
import { schema } from '../../src/schema/index.ts'

export type Form = 'variable' | 'literal'

/** A place in the arguments of a field where a client may put a text. */
export interface TextInput {
  /** As in `Mutation.login(input.email)`. */
  name: string
  /** As errors name it: `input.email`. */
  path: string
  isEnum: boolean
  kind: 'query' | 'mutation' | 'subscription'
  /** An operation with a value there; everything else that is required is sound. */
  operation: (value: unknown, form: Form) => { query: string; variables: Record<string, unknown> }
}

const SOUND_BY_TYPE: Readonly<Record<string, unknown>> = {
  Int: 1,
  Boolean: false,
  Amount: '1',
  UUID: randomUUID(),
  DateTime: '2024-01-01T00:00:00Z',
}
const SOUND_BY_NAME: Readonly<Record<string, unknown>> = {
  email: 'sound@example.com',
  password: 'correct horse',
  name: 'sound',
  publicName: 'sound',
  currency: 'USD',
  code: 'SOUND',
  locale: 'en',
}
/** Their values are no text. */
const NOT_TEXT = ['Int', 'Boolean']

interface Place {
  path: string
  type: GraphQLNamedInputType
  /** The value of the whole argument, with this one in its place. */
  around: (value: unknown) => unknown
}

const isList = (type: GraphQLInputType) => isListType(isNonNullType(type) ? type.ofType : type)

function literalOf(value: unknown, type: GraphQLInputType): string {
  if (isNonNullType(type) || (isListType(type) && !Array.isArray(value))) return literalOf(value, type.ofType)
  if (isListType(type)) return `[${(value as unknown[]).map((item) => literalOf(item, type.ofType)).join(', ')}]`
  if (!isInputObjectType(type)) return isEnumType(type) ? String(value) : JSON.stringify(value)
  const fields = type.getFields()
  const given = Object.entries(value as object).map(
    ([name, item]) => `${name}: ${literalOf(item, (fields[name] as GraphQLInputField).type)}`,
  )
  return `{ ${given.join(', ')} }`
}

/** How a field of a type that is no root is come to, from an account with one entry. */
const WAYS: Readonly<Record<string, (account: string, call: string) => string>> = {
  User: (account, call) => `user(id: "${account}") { ${call} }`,
  Account: (account, call) => `account(id: "${account}") { ${call} }`,
  Balance: (account, call) => `account(id: "${account}") { balance { ${call} } }`,
  LedgerEntry: (account, call) => `account(id: "${account}") { transactions(first: 1) { edges { ${call} } } }`,
  Transaction: (account, call) => `account(id: "${account}") { transactions(first: 1) { edges { node { ${call} } } } }`,
}

/**
 * All places of the schema where a text may be put: in arguments, and in input objects and lists as deep as they go.
 *
 * @param account of a user, with one entry.
 */
export function textInputs(account: string): TextInput[] {
  const soundValue = (name: string, type: GraphQLInputType): unknown => {
    if (isNonNullType(type)) return soundValue(name, type.ofType)
    if (isListType(type)) return [soundValue(name, type.ofType)]
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields())
      const given = type.isOneOf ? fields.slice(0, 1) : fields.filter(isRequiredInputField)
      return Object.fromEntries(given.map((field) => [field.name, soundValue(field.name, field.type)]))
    }
    if (isEnumType(type)) return type.getValues()[0]?.name
    return SOUND_BY_NAME[name] ?? SOUND_BY_TYPE[type.name] ?? account
  }
  const placesIn = ({ name, type }: GraphQLArgument | GraphQLInputField): Place[] => {
    const named = getNamedType(type)
    const inner: Place[] = isInputObjectType(named)
      ? Object.values(named.getFields()).flatMap((field) =>
          placesIn(field).map((place) => ({
            ...place,
            around: (value) => ({
              ...(named.isOneOf ? {} : (soundValue(name, named) as object)),
              [field.name]: place.around(value),
            }),
          })),
        )
      : [{ path: '', type: named, around: (value) => value }]
    return inner.map(({ path, type: leaf, around }) => ({
      path: [name, ...(isList(type) ? ['0'] : []), ...(path ? [path] : [])].join('.'),
      type: leaf,
      around: (value) => (isList(type) ? [around(value)] : around(value)),
    }))
  }
  const inputsOf = (parent: string, kind: TextInput['kind'], field: GraphQLField<unknown, unknown>): TextInput[] =>
    field.args.flatMap((argument) =>
      placesIn(argument)
        .filter(({ type }) => !NOT_TEXT.includes(type.name))
        .map(({ path, type, around }) => ({
          name: `${parent}.${field.name}(${path})`,
          path,
          isEnum: isEnumType(type),
          kind,
          operation(value, form) {
            const others = field.args.filter((other) => other !== argument && isNonNullType(other.type))
            const given = [
              { ...argument, value: around(value) },
              ...others.map((other) => ({ ...other, value: soundValue(other.name, other.type) })),
            ]
            const isVariable = form === 'variable'
            const inList = given.map(({ name, type, value }) => [
              `${name}: ${isVariable ? `$${name}` : literalOf(value, type)}`,
              `$${name}: ${type}`,
            ])
            const selection =
              kind === 'mutation'
                ? '{ __typename ... on ValidationError { fields { path } } }'
                : isLeafType(getNamedType(field.type))
                  ? ''
                  : '{ __typename }'
            const call = `${field.name}(${inList.map(([argument]) => argument).join(', ')}) ${selection}`
            const declared = isVariable ? `(${inList.map(([, variable]) => variable).join(', ')})` : ''
            return {
              query: `${kind} ${declared} { ${WAYS[parent]?.(account, call) ?? call} }`,
              variables: isVariable ? Object.fromEntries(given.map(({ name, value }) => [name, value])) : {},
            }
          },
        })),
    )
  return Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
    .flatMap((type) => {
      const kind = type.name === 'Mutation' ? 'mutation' : type.name === 'Subscription' ? 'subscription' : 'query'
      const fields = isObjectType(type) ? Object.values(type.getFields()) : []
      return fields.flatMap((field) => inputsOf(type.name, kind, field))
    })
}

/** Types that have fields with arguments: `textInputs` has to know how to come to each. */
export const TYPES_WITH_ARGUMENTS = Object.values(schema.getTypeMap())
  .filter((type) => isObjectType(type) && !type.name.startsWith('__'))
  .filter((type) => isObjectType(type) && Object.values(type.getFields()).some(({ args }) => args.length > 0))
  .map(({ name }) => name)
