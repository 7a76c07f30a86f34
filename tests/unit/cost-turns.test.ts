import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CostTurns } from '../../src/server/graphql/cost-turns.ts'

const open = (deadlineMs = 60_000) => new CostTurns({ deadlineMs, runningCostMax: 10_000 })

/** Takes turns, and notes the names of those that started. */
function starter(turns: CostTurns) {
  const started: string[] = []
  const ends = new Map<string, () => void>()
  const take = (name: string, viewerKey: string, cost: number) =>
    turns.take(viewerKey, cost)?.then((release) => {
      started.push(release ? name : `${name} refused`)
      if (release) ends.set(name, release)
    })
  return { started, end: (name: string) => ends.get(name)?.(), take }
}

test('an operation that costs little does not wait, and is not counted', () => {
  const turns = open()
  expect(turns.take('one', 999)).toBeUndefined()
  expect(turns.runningCost).toBe(0)
})

test('costly operations run side by side up to the bound; the next one starts when there is room', async () => {
  const turns = open()
  const { started, end, take } = starter(turns)
  take('a', 'one', 6_000)
  take('b', 'one', 4_000)
  take('c', 'one', 4_000)
  await nextTurn()
  expect(started).toEqual(['a', 'b'])
  end('b')
  end('b')
  await nextTurn()
  expect(started).toEqual(['a', 'b', 'c'])
  expect(turns.runningCost).toBe(10_000)
  end('a')
  end('c')
  expect(turns.runningCost).toBe(0)
})

test('one that costs more than the bound runs alone, and is not overtaken', async () => {
  const turns = open()
  const { started, end, take } = starter(turns)
  take('small', 'one', 1_000)
  take('large', 'two', 50_000)
  take('late', 'three', 1_000)
  await nextTurn()
  expect(started).toEqual(['small'])
  end('small')
  await nextTurn()
  expect(started).toEqual(['small', 'large'])
  end('large')
  await nextTurn()
  expect(started).toEqual(['small', 'large', 'late'])
})

test('viewers take turns, however many operations one of them has', async () => {
  const turns = open()
  const { started, end, take } = starter(turns)
  for (const name of ['a1', 'a2', 'a3']) take(name, 'a', 9_000)
  take('b1', 'b', 9_000)
  for (const name of ['a1', 'a2', 'b1', 'a3']) {
    await nextTurn()
    end(name)
  }
  await nextTurn()
  expect(started).toEqual(['a1', 'a2', 'b1', 'a3'])
})

test('one that had no turn before its deadline is refused, and what waited behind it starts', async () => {
  const turns = open(1)
  const { started, take } = starter(turns)
  await take('a', 'one', 9_000)
  await take('b', 'two', 9_000)
  expect(started).toEqual(['a', 'b refused'])
  expect(turns.runningCost).toBe(9_000)
})
