import { type DocumentNode, Kind, parse } from 'graphql'
import { expect, test } from 'vitest'
import { ALIAS_LENGTH_MAX, DEPTH_MAX, excessOf } from '../../src/server/graphql/document-limits.ts'

const times = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ')
const told = (text: string | DocumentNode) => excessOf(typeof text === 'string' ? parse(text) : text)?.message

test('a field that stands in several places of the answer is not the same field', () => {
  const account = (i: number) => `a${i}: user(id: "u") { id email balance { amount asOf } }`
  expect(told(`{ ${times(100, account)} }`)).toBeUndefined()
})

test('fields that end up as one count together, wherever they are written', () => {
  const once = 'user(id: "u") { id }'
  expect(told(`{ ${times(70, () => once)} }`)).toBeUndefined()
  expect(told(`{ ${times(72, () => once)} }`)).toMatch(/too many times/)
  expect(told(`{ ${times(36, () => `${once} ...F`)} } fragment F on Query { ... { ${once} } }`)).toMatch(
    /too many times/,
  )
  expect(told(`{ ${times(99, () => `user: viewer { id }`)} }`)).toMatch(/too many times/)
})

test('an alias is short, wherever it is written: the answer repeats it for each item of a list', () => {
  const alias = 'a'.repeat(ALIAS_LENGTH_MAX)
  expect(told(`{ ${alias}: viewer { ...F } } fragment F on User { ${alias}: id }`)).toBeUndefined()
  expect(told(`{ ${alias}a: viewer { id } }`)).toMatch(/alias/)
  expect(told(`{ viewer { ...F } } fragment F on User { ... { ${alias}a: id } }`)).toMatch(/alias/)
})

test('each operation of a document counts by itself', () => {
  const fields = times(99, () => '__typename')
  expect(told(times(10, (i) => `query Q${i} { ${fields} }`))).toBeUndefined()
  expect(told(`query Small { __typename } query Large { ${fields} ${fields} }`)).toMatch(/too many times/)
})

test('what is in a fragment that nobody spreads counts as well: it is validated', () => {
  expect(told(`{ __typename } fragment F on Query { ${times(102, () => '__typename')} }`)).toMatch(/too many times/)
})

test.each([
  ['in a circle', `{ ...F0 } ${times(25, (i) => `fragment F${i} on Query { ${times(25, (j) => `...F${j}`)} }`)}`],
  [
    'that double',
    `{ ...F0 } ${times(100, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)} fragment F100 on Query { a }`,
  ],
  [
    'that double, with nothing in them',
    `{ ...F0 } ${times(100, (i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`)}`,
  ],
])('fragments %s come to an end', (_how, text) => {
  expect(told(text)).toMatch(/too many times|more than 1000 fields/)
})

test('a small circle is left to validation, which has the words for it', () => {
  expect(told('{ ...A } fragment A on Query { a ...B } fragment B on Query { ...A }')).toBeUndefined()
})

test('fragments that double at the end of a long row are given up soon, however many there are', () => {
  const row = times(200, (i) => `fragment F${i} on Query { ...F${i + 1} }`)
  const doubling = times(11, (i) => `fragment F${200 + i} on Query { ...F${201 + i} ...F${201 + i} }`)
  const document = parse(`{ ...F0 } ${row} ${doubling} fragment F211 on Query { ...Z }`)
  let looks = 0
  const definitions = document.definitions.map((definition) => {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) return definition
    const { selections } = definition.selectionSet
    const selectionSet = {
      kind: Kind.SELECTION_SET as const,
      get selections() {
        looks++
        return selections
      },
    }
    return { ...definition, selectionSet }
  })
  expect(told({ ...document, definitions })).toMatch(/too many times/)
  // Four hundred thousand, when each fragment was followed anew.
  expect(looks).toBeLessThan(20_000)
})

test('fields within each other are counted in all fragments, and each operation by itself', () => {
  const nested = (depth: number, inside: string) => `${'a { '.repeat(depth)}${inside}${' }'.repeat(depth)}`
  const half = DEPTH_MAX / 2
  const told = (inner: string) =>
    excessOf(
      parse(
        `query Flat { a } query Deep { ${nested(half, '...F ...F')} } fragment F on A { ... { ${nested(half - 1, inner)} } }`,
      ),
    )
  expect(told('b')).toBeUndefined()
  expect(told('b { c }')?.message).toMatch(/nested too deeply/)
  expect(told('b { c }')?.nodes).toMatchObject([{ name: { value: 'Deep' } }])
  // It is not in any operation.
  expect(excessOf(parse(`{ a } fragment F on A { ${nested(DEPTH_MAX, 'b')} }`))).toBeUndefined()
})
