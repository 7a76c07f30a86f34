import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { Slices } from '../../src/schema/slices.ts'
import { noteConnection, TURNS_FOR_CONNECTIONS_MAX, takeTurn, UNITS_PER_TURN } from '../../src/turns.ts'

// Until no turn of another test is under way, and none is left to the connections of another file.
beforeEach(async () => {
  await takeTurn({}, 1)
  for (let turn = 0; turn < 10; turn++) await nextTurn()
})

/** Which of them have begun by now. */
function watch(turns: Record<string, Promise<void> | undefined>): string[] {
  const begun: string[] = []
  for (const [name, turn] of Object.entries(turns)) {
    if (turn) turn.then(() => begun.push(name))
    else begun.push(name)
  }
  return begun
}

describe('a turn of the event loop', () => {
  test('takes what fits, and leaves the rest to later turns', async () => {
    const owner = {}
    const begun = watch({
      a: takeTurn(owner, UNITS_PER_TURN / 2),
      b: takeTurn(owner, UNITS_PER_TURN / 2),
      c: takeTurn(owner, UNITS_PER_TURN),
      d: takeTurn(owner, 1),
    })
    expect(begun).toEqual(['a', 'b'])
    await nextTurn()
    expect(begun).toEqual(['a', 'b', 'c'])
    await nextTurn()
    expect(begun).toEqual(['a', 'b', 'c', 'd'])
  })

  test('takes one slice that is larger than a turn', async () => {
    const begun = watch({ large: takeTurn({}, UNITS_PER_TURN * 5), small: takeTurn({}, 1) })
    expect(begun).toEqual(['large'])
    await nextTurn()
    expect(begun).toEqual(['large', 'small'])
  })

  test('serves owners one after another, however much one of them waits for', async () => {
    const [busy, other] = [{}, {}]
    const begun = watch({
      first: takeTurn(busy, UNITS_PER_TURN),
      second: takeTurn(busy, UNITS_PER_TURN),
      third: takeTurn(busy, UNITS_PER_TURN),
      other: takeTurn(other, UNITS_PER_TURN),
    })
    for (let turn = 0; turn < 4; turn++) await nextTurn()
    expect(begun).toEqual(['first', 'second', 'other', 'third'])
  })
})

describe('while connections are accepted', () => {
  test('work that waits leaves the next turn to them', async () => {
    const begun = watch({ a: takeTurn({}, UNITS_PER_TURN), b: takeTurn({}, UNITS_PER_TURN) })
    noteConnection()
    await nextTurn()
    expect(begun).toEqual(['a'])
    await nextTurn()
    expect(begun).toEqual(['a', 'b'])
  })

  test('work goes on, however many there are', async () => {
    const begun = watch({ a: takeTurn({}, UNITS_PER_TURN), b: takeTurn({}, UNITS_PER_TURN) })
    for (let turn = 0; turn < TURNS_FOR_CONNECTIONS_MAX; turn++) {
      noteConnection()
      await nextTurn()
      expect(begun).toEqual(['a'])
    }
    noteConnection()
    await nextTurn()
    expect(begun).toEqual(['a', 'b'])
  })
})

describe('the slices of an operation', () => {
  test('complete a long list in order, a turn of items at a time', async () => {
    const numbers = Array.from({ length: UNITS_PER_TURN * 2 + 10 }, (_, index) => index)
    const items = await new Slices().of(numbers)
    expect(items.filter((item) => item instanceof Promise)).toHaveLength(UNITS_PER_TURN + 10)
    expect(await Promise.all(items)).toEqual(numbers)
  })

  test('give a short list as it is', () => {
    const list = [1, 2, 3]
    expect(new Slices().of(list)).toBe(list)
  })

  test('keep what comes afterwards until all of them have begun', async () => {
    const slices = new Slices()
    const order: string[] = []
    slices.take(UNITS_PER_TURN)
    slices.take(UNITS_PER_TURN)?.then(() => order.push('second slice'))
    slices.take(UNITS_PER_TURN)?.then(() => order.push('third slice'))
    slices.afterwards(() => order.push('afterwards'))
    for (let turn = 0; turn < 4; turn++) await nextTurn()
    expect(order).toEqual(['second slice', 'third slice', 'afterwards'])
  })

  test('keep nothing that comes afterwards when none of them waits', async () => {
    const done: string[] = []
    new Slices().afterwards(() => done.push('afterwards'))
    await nextTurn()
    expect(done).toEqual(['afterwards'])
  })
})
