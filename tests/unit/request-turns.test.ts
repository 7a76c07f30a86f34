import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RequestTurns } from '../../src/server/request-turns.ts'

/** Sends requests, and keeps in order which have begun. */
function openTurns(sharedMs?: number) {
  const turns = new RequestTurns(sharedMs)
  const begun: string[] = []
  const sent: Record<string, number> = {}
  const gone = new Set<string>()
  const givenUp: string[] = []
  const send = (viewer: string, count: number) => {
    for (let left = count; left > 0; left--) {
      const number = (sent[viewer] ?? 0) + 1
      sent[viewer] = number
      const request = `${viewer}${number}`
      const turn = turns.take(viewer, () => gone.has(request))
      if (turn) turn.then((begins) => (begins ? begun : givenUp).push(request))
      else begun.push(request)
    }
  }
  return { begun, givenUp, gone, send }
}

const numbered = (viewer: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => `${viewer}${from + at}`)

test('requests of a viewer who is alone begin at once', () => {
  const { begun, send } = openTurns()
  send('a', 1_000)
  expect(begun).toEqual(numbered('a', 1, 1_000))
})

test('beside others, each viewer begins one request in a turn', async () => {
  const { begun, send } = openTurns()
  send('other', 1)
  send('a', 3)
  expect(begun.splice(0)).toEqual(['other1', 'a1'])
  send('b', 2)
  expect(begun.splice(0)).toEqual(['b1'])
  await nextTurn()
  expect(begun.splice(0)).toEqual(['a2', 'b2'])
  await nextTurn()
  expect(begun.splice(0)).toEqual(['a3'])
})

test('requests begin in the order they came', async () => {
  const { begun, send } = openTurns()
  send('other', 1)
  send('a', 2)
  send('other', 1)
  await nextTurn()
  send('a', 2)
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  expect(begun.filter((request) => request.startsWith('a'))).toEqual(numbered('a', 1, 4))
})

test('a viewer whom the others have left is alone again', async () => {
  const { begun, send } = openTurns(0)
  send('other', 1)
  send('a', 1)
  await nextTurn()
  send('a', 1_000)
  expect(begun).toHaveLength(1_002)
})

test('requests whose connection has closed take no turn', async () => {
  const { begun, givenUp, gone, send } = openTurns()
  send('other', 1)
  send('a', 1_000)
  for (const request of numbered('a', 2, 999)) gone.add(request)
  expect(begun.splice(0)).toEqual(['other1', 'a1'])
  await nextTurn()
  expect([begun, givenUp]).toEqual([['a1000'], numbered('a', 2, 999)])
})

test('of one viewer 4,000 requests wait at most, and more begin at once', async () => {
  const { begun, send } = openTurns()
  send('other', 1)
  send('a', 4_003)
  expect(begun.splice(0)).toEqual(['other1', 'a1', 'a4002', 'a4003'])
  await nextTurn()
  expect(begun).toEqual(['a2'])
})
