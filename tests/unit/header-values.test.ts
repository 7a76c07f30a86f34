import { expect, test } from 'vitest'
import { remembering } from '../../src/server/http/header-values.ts'

/** A function that remembers, and the values that it had to judge. */
function open() {
  const judged: string[] = []
  const judge = remembering((value) => {
    judged.push(value)
    return { length: value.length }
  })
  return { judge, judged }
}

test('a value is judged once', () => {
  const { judge, judged } = open()
  for (const value of ['application/json', '', 'application/json', '']) expect(judge(value).length).toBe(value.length)
  expect(judged).toEqual(['application/json', ''])
})

test('junk does not keep it from learning, nor from what is in use', () => {
  const { judge, judged } = open()
  judge('in use')
  for (let index = 0; index < 1_000; index++) {
    judge(`junk ${index}`)
    judge('in use')
  }
  judge('new')
  judge('new')
  expect(judged.filter((value) => !value.startsWith('junk'))).toEqual(['in use', 'new'])
})

test('a long value is answered, and not kept', () => {
  const { judge, judged } = open()
  const long = 'a'.repeat(10_000)
  expect([judge(long).length, judge(long).length]).toEqual([10_000, 10_000])
  expect(judged).toHaveLength(2)
})
