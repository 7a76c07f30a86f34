import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { toAmount } from '../../src/db/amount.ts'
import { type AccountId, toAccountId, toTransactionId } from '../../src/db/ids.ts'
import { isFairShare } from '../../src/ledger/model/fair-share.ts'
import { FairQueue } from '../../src/ledger/posting/fair-queue.ts'
import { PendingCall } from '../../src/ledger/posting/pending-call.ts'
import { isBulk, type Submitter, Submitters } from '../../src/ledger/posting/submitters.ts'

const BATCH_SIZE_MAX = 64

let queue: FairQueue
let claimed: Set<string>
let inFlight: PendingCall[][]

beforeEach(() => {
  claimed = new Set()
  inFlight = []
  queue = new FairQueue({ batchSizeMax: BATCH_SIZE_MAX, claimed, divert: () => false })
})

const HOT = toAccountId('hot')

const submitterOf = (key: string, unanswered = 1_000): Submitter => ({
  key,
  unanswered,
  inFlight: 0,
  hasBeenBulk: isBulk({ unanswered }),
})

/** A call of `size` postings to accounts of its own, or to these. */
function callOf(submitter: Submitter, size = 1, accounts: readonly AccountId[] = []): PendingCall {
  const postings = Array.from({ length: size }, (_, index) => ({
    id: toTransactionId(randomUUID()),
    idempotencyKey: randomUUID(),
    sourceAccountId: null,
    destinationAccountId: accounts[index] ?? toAccountId(randomUUID()),
    amount: toAmount(1n),
  }))
  return new PendingCall(submitter, postings, Number.POSITIVE_INFINITY)
}

function push(submitter: Submitter, count: number, size = 1, accounts: readonly AccountId[] = []): PendingCall[] {
  const calls = Array.from({ length: count }, () => callOf(submitter, size, accounts))
  for (const call of calls) queue.push(call)
  return calls
}

/** As the lanes do. */
function take(lanesFree = 1): PendingCall[] {
  const batch = queue.gather(lanesFree)
  for (const { claims, submitter, postings } of batch) {
    for (const claim of claims) claimed.add(claim)
    submitter.inFlight += postings.length
  }
  if (batch.length > 0) inFlight.push(batch)
  return batch
}

function finish(batch: PendingCall[]): void {
  inFlight.splice(inFlight.indexOf(batch), 1)
  for (const { claims, submitter, postings } of batch) {
    for (const claim of claims) claimed.delete(claim)
    submitter.inFlight -= postings.length
  }
}

const keysOf = (batch: readonly PendingCall[]) => batch.map(({ submitter }) => submitter.key)

describe('lines take turns', () => {
  test('so one call is in the next batch, whatever another submitter has in line', () => {
    push(submitterOf('bulk'), 500)
    const [call] = push(submitterOf('light', 1), 1)
    expect(take()).toContain(call)
  })

  test('counted in postings, however many are in a call', () => {
    push(submitterOf('of tens'), 100, 10)
    push(submitterOf('of ones'), 1_000)
    const postings = new Map<string, number>()
    for (let round = 0; round < 10; round++) {
      const batch = take()
      finish(batch)
      for (const { submitter, postings: of } of batch)
        postings.set(submitter.key, (postings.get(submitter.key) ?? 0) + of.length)
    }
    const [tens = 0, ones = 0] = [postings.get('of tens'), postings.get('of ones')]
    expect(Math.abs(tens - ones)).toBeLessThanOrEqual(2 * BATCH_SIZE_MAX)
    expect(tens + ones).toBeGreaterThan(9 * BATCH_SIZE_MAX)
  })

  test('and a submitter alone fills the batch, in the order its calls came', () => {
    const calls = push(submitterOf('alone'), 100)
    expect(take()).toEqual(calls.slice(0, BATCH_SIZE_MAX))
    expect(take()).toEqual(calls.slice(BATCH_SIZE_MAX))
    expect(queue.length).toBe(0)
  })

  test('and a call that is larger than a batch has its turn, alone', () => {
    push(submitterOf('small'), 2_000)
    const [large] = push(submitterOf('large'), 1, 10 * BATCH_SIZE_MAX)
    const batches: PendingCall[][] = []
    while (!batches.at(-1)?.includes(large as PendingCall)) {
      const batch = take()
      finish(batch)
      batches.push(batch)
    }
    expect(batches.at(-1)).toEqual([large])
    // The other one had as many postings meanwhile, and not many more.
    expect(batches.length).toBeLessThan(45)
  })

  test('and those who are served go behind those who are not', () => {
    const many = Array.from({ length: 200 }, (_, index) => submitterOf(`submitter ${index}`, 4))
    for (const submitter of many) push(submitter, 4)
    const seen = new Set<string>()
    for (let round = 0; round < 4; round++) for (const key of keysOf(take())) seen.add(key)
    expect(seen.size).toBe((4 * BATCH_SIZE_MAX) / 4)
  })
})

describe('a bulk submitter gives way', () => {
  test('while light ones are served: it has four postings in flight at most', () => {
    const bulk = submitterOf('bulk')
    push(bulk, 500)
    const light = submitterOf('light', 1)
    push(light, 1)
    take()
    const rest = take()
    expect(keysOf(rest)).toEqual([])
    expect(bulk.inFlight).toBeLessThanOrEqual(64)
    for (const batch of [...inFlight]) finish(batch)
    expect(take()).toHaveLength(4)
    expect(take()).toHaveLength(0)
  })

  test('to no one else: its own few calls do not slow it down', () => {
    const one = submitterOf('one', 1)
    push(one, 1)
    finish(take())
    one.unanswered = 1_000
    push(one, 500)
    expect(take()).toHaveLength(BATCH_SIZE_MAX)
  })

  test('to no other bulk one that has few left', () => {
    const submitters = new Submitters(10_000)
    const bulk = submitters.admit('bulk', 20) as Submitter
    submitters.release(bulk, 10)
    push(bulk, 10)
    finish(take())
    push(submitters.admit('other bulk', 500) as Submitter, 500)
    expect(take()).toHaveLength(BATCH_SIZE_MAX)
    // Once it has had nothing left it is like anybody else.
    submitters.release(bulk, 10)
    for (const batch of [...inFlight]) finish(batch)
    push(submitters.admit('bulk', 1) as Submitter, 1)
    finish(take())
    expect(take()).toHaveLength(4)
  })

  test('and the lane beyond is for those who have nothing in flight', () => {
    const bulk = submitterOf('bulk')
    push(bulk, 500)
    take()
    expect(take(0)).toEqual([])
    const [call] = push(submitterOf('light', 1), 1)
    expect(take(0)).toEqual([call])
  })
})

describe('calls that share an account', () => {
  test('are not in flight at once, and nothing overtakes the one that waits', () => {
    const [bulk, light] = [submitterOf('bulk'), submitterOf('light', 1)]
    push(bulk, 40, 1, [HOT])
    const first = take()
    const [call] = push(light, 1, 1, [HOT])
    const [later] = push(bulk, 1, 1, [HOT])
    expect(take()).toEqual([])
    finish(first)
    const next = take()
    expect(next).toContain(call)
    expect(next.indexOf(call as PendingCall)).toBeLessThan(
      next.includes(later as PendingCall) ? next.indexOf(later as PendingCall) : Number.POSITIVE_INFINITY,
    )
  })

  test('each is taken once, those of a submitter in order, and no two batches in flight share one', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('push' as const),
        submitter: fc.nat(3),
        size: fc.constantFrom(1, 1, 1, 3, 80),
        account: fc.nat(5),
      }),
      fc.record({ kind: fc.constantFrom('take' as const, 'finish' as const, 'again' as const), lanesFree: fc.nat(2) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        claimed = new Set()
        inFlight = []
        queue = new FairQueue({ batchSizeMax: BATCH_SIZE_MAX, claimed, divert: () => false })
        const submitters = [1, 10, 100, 1_000].map((unanswered, index) => submitterOf(`submitter ${index}`, unanswered))
        const entered: PendingCall[] = []
        const taken: PendingCall[] = []
        const check = (batch: PendingCall[], claimedBefore: ReadonlySet<string>) => {
          expect(batch.flatMap(({ claims }) => claims).filter((claim) => claimedBefore.has(claim))).toEqual([])
          taken.push(...batch)
        }
        const takeNext = (lanesFree: number) => {
          const before = new Set(claimed)
          check(take(lanesFree), before)
        }
        for (const each of steps) {
          if (each.kind === 'push') {
            const submitter = submitters[each.submitter] as Submitter
            entered.push(...push(submitter, 1, each.size, [toAccountId(`account ${each.account}`)]))
          } else if (each.kind === 'take') takeNext(each.lanesFree)
          else if (inFlight[0]) {
            const [batch] = inFlight
            finish(batch)
            if (each.kind === 'again') {
              queue.unshift(batch)
              for (const call of batch) taken.splice(taken.indexOf(call), 1)
            }
          }
        }
        // To the end: nobody waits for ever.
        for (let round = 0; queue.length > 0; round++) {
          expect(round).toBeLessThan(5_000)
          takeNext(1)
          for (const batch of [...inFlight]) finish(batch)
        }
        expect(new Set(taken).size).toBe(taken.length)
        expect(taken.length).toBe(entered.length)
        for (const submitter of submitters) {
          for (let account = 0; account <= 5; account++) {
            const shares = (call: PendingCall) =>
              call.submitter === submitter && call.claims.includes(`account ${account}`)
            expect(taken.filter(shares)).toEqual(entered.filter(shares))
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('space is shared', () => {
  test('by a rule that leaves some for one more', () => {
    expect(isFairShare(4, 1, 4, 10)).toBe(true)
    expect(isFairShare(5, 1, 5, 10)).toBe(false)
    expect(isFairShare(0, 1, 9, 10)).toBe(true)
    expect(isFairShare(0, 1, 10, 10)).toBe(false)
  })

  test('a large call is let in where its submitter has nothing else in, and into an empty queue in any case', () => {
    const submitters = new Submitters(10)
    const one = submitters.admit('one', 8)
    expect(one).toMatchObject({ unanswered: 8 })
    expect(submitters.admit('other', 3)).toBeUndefined()
    expect(submitters.admit('other', 2)).toMatchObject({ unanswered: 2 })
    expect(submitters.admit('one', 1)).toBeUndefined()
    submitters.release(one as Submitter, 8)
    expect(submitters.unanswered).toBe(2)
    submitters.release(submitters.admit('other', 0) as Submitter, 2)
    expect(submitters.admit('one', 50)).toMatchObject({ unanswered: 50 })
  })
})
