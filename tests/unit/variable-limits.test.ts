import { expect, test } from 'vitest'
import {
  measureVariables,
  VARIABLE_NAME_LENGTH_MAX,
  VARIABLE_VALUES_MAX,
} from '../../src/server/graphql/variable-limits.ts'

const excessOfVariables = (variables: unknown) => measureVariables(variables).excess
const bytesOf = (variables: unknown) => measureVariables(variables).bytes

test('values of variables are counted, however they are nested', () => {
  const list = (length: number) => ({ ids: Array(length).fill('a') })
  expect(excessOfVariables(undefined)).toBeUndefined()
  expect(excessOfVariables(list(VARIABLE_VALUES_MAX - 1))).toBeUndefined()
  expect(excessOfVariables(list(VARIABLE_VALUES_MAX))?.message).toMatch(/more than 20000 values/)
  const deep = JSON.parse(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)
  expect(excessOfVariables(deep)?.message).toMatch(/more than 20000 values/)
})

test('a name in the variables is bounded, however deep it is', () => {
  const named = (length: number) => ({ input: [{ ['x'.repeat(length)]: 1 }] })
  expect(excessOfVariables(named(VARIABLE_NAME_LENGTH_MAX))).toBeUndefined()
  expect(excessOfVariables(named(VARIABLE_NAME_LENGTH_MAX + 1))?.message).toMatch(/more than 256 characters/)
  expect(excessOfVariables({ ['x'.repeat(1_000_000)]: 1 })?.message).toMatch(/more than 256 characters/)
})

test('the memory that variables take is measured by their values and texts', () => {
  expect(bytesOf({})).toBeLessThan(1_000)
  expect(bytesOf({ text: 'a'.repeat(100_000) })).toBeGreaterThan(100_000)
  expect(bytesOf({ list: Array(1_000).fill(0) })).toBeGreaterThan(60_000)
  // Of all of them, also where they are too many: they are held in memory until they are refused.
  expect(bytesOf({ list: Array(1_000_000).fill(0) })).toBeGreaterThan(60_000_000)
  let deep: unknown = 0
  for (let depth = 0; depth < 100_000; depth++) deep = [deep]
  expect(bytesOf({ deep })).toBeGreaterThan(100_000)
})

test('variables are walked through once, whichever hook asks for their size', () => {
  let looks = 0
  const item = {
    get value() {
      looks++
      return 1
    },
  }
  const variables = { items: Array(1_000).fill(item) }
  for (let ask = 0; ask < 2; ask++) measureVariables(variables)
  expect(looks).toBe(1_000)
})
