import { randomUUID } from 'node:crypto'
import {
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isAbstractType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql'
import { openSession } from '../../src/auth/sessions.ts'
import { databaseOf } from '../../src/db/pool.ts'
import { Users } from '../../src/ledger/reading/users.ts'
import { schema } from '../../src/schema/index.ts'
import type { TestServer } from './server.ts'

/* Who asks, and how everything is asked that the schema has. */

export interface Person {
  id: string
  email: string
  authorization: { authorization: string }
}

/** A user who is signed in. */
export async function signUp(server: TestServer, name: string, role: 'USER' | 'OPERATOR' = 'USER'): Promise<Person> {
  const database = databaseOf(server.database.pool)
  const email = `${name}-${randomUUID()}@private.example`
  const user = await new Users(database).create({ email, passwordHash: null, role })
  if (!user) throw new Error('the e-mail is taken')
  const { token } = await openSession(database, user.id, { idleTimeoutMs: 3_600_000, lifetimeMs: 3_600_000 })
  return { id: `user_${user.id}`, email, authorization: { authorization: `Bearer ${token}` } }
}

/** Arguments for the fields below the root that need some, and for pages that would be long. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  'Account.balanceHistory': '(from: "2024-01-01T00:00:00Z", to: "2999-01-01T00:00:00Z", bucket: MONTH)',
  'Account.transactions': '(first: 5)',
  'User.accounts': '(first: 5)',
}

/** Every field of a type, and of the types below it, so many deep. */
export function everythingOf(type: GraphQLOutputType, depth: number): string {
  const named = getNamedType(type)
  if (isLeafType(named)) return ''
  if (isAbstractType(named)) {
    throw new Error(`${named.name} is several types: ask for each by itself`)
  }
  return fieldsOf(named as GraphQLObjectType, depth)
}

function fieldsOf(type: GraphQLObjectType, depth: number): string {
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const below = getNamedType(field.type)
    if (!isLeafType(below) && depth <= 1) return []
    const args = ARGUMENTS[`${type.name}.${field.name}`] ?? ''
    if (args === '' && field.args.some(isRequiredArgument))
      throw new Error(`no arguments for ${type.name}.${field.name}`)
    return `${field.name}${args} ${everythingOf(field.type, depth - 1)}`
  })
  return `{ __typename ${fields.join(' ')} }`
}

/** The fields of the schema that stand in the table of rights each by itself. */
export function ruledFields(): string[] {
  return ['Query', 'Mutation', 'Subscription', 'User', 'Account'].flatMap((name) => {
    const type = schema.getType(name)
    if (!isObjectType(type)) throw new Error(`the schema has no ${name}`)
    return Object.keys(type.getFields()).map((field) => `${name}.${field}`)
  })
}

/** The types whose fields go with the thing. */
export function otherTypes(): string[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !/^(Query|Mutation|Subscription|User|Account|__.*)$/.test(type.name))
    .map(({ name }) => name)
}
