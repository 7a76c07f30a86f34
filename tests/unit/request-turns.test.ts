import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { RequestTurns } from '../../src/server/request-turns.ts'

/** Sends requests, and keeps in order which have begun. */
function openTurns(sharedMs?: number) {
  const turns = new RequestTurns(sharedMs)
  const begun: string[] = []
  const sent: Record<string, number> = {}
  const send = (viewer: string, count: number) => {
    for (let left = count; left > 0; left--) {
      const number = (sent[viewer] ?? 0) + 1
      sent[viewer] = number
      const turn = turns.take(viewer)
      if (turn) turn.then(() => begun.push(`${viewer}${number}`))
      else begun.push(`${viewer}${number}`)
    }
  }
  return { begun, send }
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
