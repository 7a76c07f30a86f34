import { Kind, parse, validate } from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '../../src/schema/index.ts'
import { WELCOME_QUERY } from '../../src/server/graphiql/welcome-query.ts'

test('all operations of the welcome are valid, and the first one takes no variables', () => {
  const document = parse(WELCOME_QUERY)
  expect(validate(schema, document)).toEqual([])
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION)
  expect(operations.map(({ operation, name }) => [operation, name?.value])).toEqual([
    ['query', 'Account'],
    ['query', 'Accounts'],
    ['query', 'Months'],
    ['subscription', 'Watch'],
    ['mutation', 'Deposit'],
  ])
  expect(operations[0]?.variableDefinitions).toEqual([])
})

test('no line of the welcome is clipped by the editor', () => {
  expect(WELCOME_QUERY.split('\n').filter((line) => line.length > 50)).toEqual([])
})
