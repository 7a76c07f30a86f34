import { setImmediate as turnOfLoop } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CatchUp } from '../../src/ledger/feed/catch-up.ts'

test('one at a time has a turn, in the order in which they ask', async () => {
  const catchUp = new CatchUp()
  const order: string[] = []
  let running = 0
  const work = async (name: string) => {
    for (let count = 0; count < 3; count++) {
      const end = await catchUp.turn()
      expect(++running).toBe(1)
      order.push(name)
      await turnOfLoop()
      running--
      end()
    }
  }
  await Promise.all(['ada', 'grace', 'emmy'].map(work))
  expect(order).toEqual(['ada', 'grace', 'emmy', 'ada', 'grace', 'emmy', 'ada', 'grace', 'emmy'])
  expect(catchUp.waitingCount).toBe(0)
})

test('a turn that nobody ends does not keep the others waiting for ever, and its end counts once', async () => {
  const catchUp = new CatchUp()
  const endFirst = await catchUp.turn()
  const endSecond = await catchUp.turn()
  let isThird = false
  const third = catchUp.turn().then((end) => {
    isThird = true
    return end
  })
  // The first one is long over: it does not end the turn of the second.
  endFirst()
  await turnOfLoop()
  expect(isThird).toBe(false)
  endSecond()
  ;(await third)()
})
