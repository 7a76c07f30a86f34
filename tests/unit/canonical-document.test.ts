import { addTypenameToDocument } from '@apollo/client/utilities'
import { formatDocument } from '@urql/core'
import { parse, print } from 'graphql'
import { expect, test } from 'vitest'
import { canonicalForm, withTypenames } from '../../src/server/graphql/canonical-document.ts'

const formOf = (text: string) => canonicalForm(parse(text))

const LISTED = `query Page($id: ID!, $first: Int = 3) {
  user(id: $id) { id ...Entries }
}

fragment Entries on User {
  transactions(first: $first) { edges { change transaction { source { id } } } }
}`

test.each([
  ['other white space and comments', LISTED.replaceAll(/\s+/g, '  ').replace('{', '{ # a comment\n')],
  ['commas', LISTED.replace(', ', ' ')],
  ['its definitions in another order', LISTED.split('\n\n').reverse().join('\n')],
  ['__typename somewhere', LISTED.replace('{ id ...', '{ __typename id ...')],
  ['__typename at the root', LISTED.replace('user(', '__typename user(')],
  ['__typename twice', LISTED.replace('{ id }', '{ __typename id __typename }')],
  ['__typename as Apollo Client adds it', print(addTypenameToDocument(parse(LISTED)))],
  ['__typename as urql adds it', print(formatDocument(parse(LISTED)) as never)],
])('a document with %s is the same', (_what, text) => {
  expect(formOf(text)).toBe(formOf(LISTED))
})

test.each([
  ['another name', LISTED.replace('Page', 'Other')],
  ['another kind', LISTED.replace('query', 'mutation')],
  ['a field more', LISTED.replace('{ id ...', '{ id email ...')],
  ['a field less', LISTED.replace('{ id ...', '{ ...')],
  ['fields in another order', LISTED.replace('{ id ...Entries', '{ ...Entries id')],
  ['an alias', LISTED.replace('{ id }', '{ a: id }')],
  ['a __typename by another name', LISTED.replace('{ id }', '{ a: __typename id }')],
  ['another field by the name __typename', LISTED.replace('{ id }', '{ __typename: email id }')],
  ['a __typename with a condition', LISTED.replace('{ id }', '{ __typename @skip(if: true) id }')],
  ['a __typename with fields', LISTED.replace('{ id }', '{ __typename { id } id }')],
  ['a __typename with an argument', LISTED.replace('{ id }', '{ __typename(a: 1) id }')],
  ['__typename in place of a field', LISTED.replace('{ id }', '{ __typename }')],
  ['another meta field', LISTED.replace('user(', '__schema { queryType { name } } user(')],
  ['a condition', LISTED.replace('...Entries', '...Entries @include(if: true)')],
  ['another argument', LISTED.replace('first: $first', 'first: 3')],
  ['another default', LISTED.replace('= 3', '= 4')],
  ['another type of a variable', LISTED.replace('$id: ID!', '$id: ID')],
  ['a variable more', LISTED.replace('$id: ID!', '$id: ID!, $x: ID')],
  ['another type of a fragment', LISTED.replace('on User', 'on Node')],
  ['an operation more', `${LISTED} query B { __typename }`],
  ['a fragment more', `${LISTED} fragment B on User { id }`],
  ['a fragment twice', `${LISTED}\n${LISTED.split('\n\n')[1]}`],
])('a document with %s is another', (_what, text) => {
  expect(formOf(text)).not.toBe(formOf(LISTED))
})

test('a text in a document is never changed', () => {
  const withText = (text: string) => formOf(`{ user(email: ${JSON.stringify(text)}) { id } }`)
  const texts = ['a', 'A', 'a ', 'a  b', 'a b', 'a\n', '# a', '__typename', 'a } __typename {', '"', '']
  expect(new Set(texts.map(withText)).size).toBe(texts.length)
})

test('a document of nothing but __typename is not emptied', () => {
  expect(formOf('{ __typename }')).toBe('{\n  __typename\n}')
  expect(formOf('{ __typename __typename }')).toBe(formOf('{ __typename }'))
  expect(formOf('{ user { __typename } }')).not.toBe(formOf('{ user { id } }'))
})

test.each([
  LISTED,
  '{ viewer { id } node(id: "a") { ... on User { email } } }',
  '{ __schema { queryType { name } } }',
  'mutation { logout { ... on LogoutSuccess { endedAt } ... on Error { code } } }',
  'subscription { transactionPosted { cursor __typename transaction { id } } }',
])('__typename is added as Apollo Client adds it: %.40s', (text) => {
  expect(print(withTypenames(parse(text)))).toBe(print(addTypenameToDocument(parse(text))))
})
