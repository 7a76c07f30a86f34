import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ViewerTurns, type ViewerTurnsOptions } from '../../src/server/graphql/viewer-turns.ts'

const open = (options: Partial<ViewerTurnsOptions> = {}) =>
  new ViewerTurns({ deadlineMs: 60_000, refusalPauseMs: 1, ...options })

/** Keeps the event loop. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('large operations of a viewer', () => {
  test('start one after another, in the order they came, with pauses in which others are served', async () => {
    const turns = open()
    const order: number[] = []
    const startedAt: number[] = []
    await Promise.all(
      Array.from({ length: 4 }, async (_, place) => {
        const end = await turns.take('one', 1)
        order.push(place)
        startedAt.push(performance.now())
        work(10)
        end?.()
      }),
    )
    expect(order).toEqual([0, 1, 2, 3])
    // Each keeps the loop for 10 ms, and is followed by eight times as much.
    const gaps = startedAt.slice(1).map((at, index) => at - (startedAt[index] as number))
    for (const gap of gaps) expect(gap).toBeGreaterThan(80)
  })

  test('run side by side, but not all of them', async () => {
    const turns = open()
    const ends: (() => void)[] = []
    const taken = Array.from({ length: 5 }, async () => {
      const end = await turns.take('one', 1)
      if (end) ends.push(end)
    })
    await Promise.all(taken.slice(0, 4))
    expect(ends).toHaveLength(4)
    ends[2]?.()
    await taken[4]
    expect(ends).toHaveLength(5)
  })

  test('do not hold up those of another', async () => {
    const turns = open()
    const first = await turns.take('one', 1)
    work(20)
    const waiting = turns.take('one', 1)
    let isWaiting = true
    waiting.then(() => {
      isWaiting = false
    })
    expect(await turns.take('other', 1)).toBeTypeOf('function')
    expect(isWaiting).toBe(true)
    first?.()
    expect(await waiting).toBeTypeOf('function')
  })

  test('are refused where they fill the share of the viewer, and not those of another', async () => {
    const turns = open({ bytesMax: 100 })
    const held = [await turns.take('one', 30), await turns.take('one', 20)]
    expect(await turns.take('one', 10)).toBeUndefined()
    const other = await turns.take('other', 25)
    expect(other).toBeTypeOf('function')
    for (const end of [...held, other]) end?.()
    expect(await turns.take('one', 50)).toBeTypeOf('function')
  })

  test('are refused when their turn does not come in time, and leave nothing behind', async () => {
    const turns = open({ deadlineMs: 20 })
    // Until one is refused: on a busy machine that may be one of the first four.
    const ends: (() => void)[] = []
    for (let end = await turns.take('one', 1); end !== undefined; end = await turns.take('one', 1)) ends.push(end)
    for (const end of ends) end()
    // Ended twice, an operation is counted once.
    ends[0]?.()
    while (turns.viewerCount > 0) await nextTurn()
  })
})
