import { sqlstateOf } from '../../db/sqlstate.ts'
import type { BatchResult } from './batch.ts'
import type { Posting } from './fold.ts'
import type { PendingCall } from './pending-call.ts'

/*
 * Waiting rooms, one for each account that somebody else holds locked. A call in one waits for that account and holds
 * up nobody else: no other account is locked meanwhile, and whoever comes later for the account waits behind it.
 *
 *   no room → waiting      the first call comes that found the account locked
 *   waiting → running      the account is had: all that wait are one batch, around what else may be locked
 *   running → waiting      more have come, or the account was lost again
 *   waiting → no room      the last one left: the account's calls go the common way again
 *
 * A call of two locked accounts moves from one room to the other when it had the first and not the second. One that has
 * moved a few times might for ever: it waits for both, in the order of their ids as every poster does, for a while.
 */

export interface RoomKeeper {
  /** Waits `waitMs` for each of the accounts, then runs the calls that `take` gives. */
  run(accountIds: readonly string[], waitMs: number, take: () => (readonly Posting[])[]): Promise<BatchResult>
  /** Answers the calls of a batch that ran; those that found another account locked come back by `enter`. */
  settle(calls: readonly PendingCall[], result: BatchResult): void
  /** Calls whose batch failed: they are tried again the common way, or answered. */
  failed(calls: readonly PendingCall[], error: unknown): void
  /** A call waits for an account from now on. */
  entered(): void
  /** Their deadline is over. */
  expired(call: PendingCall): void
  /** There is no room left. */
  refused(call: PendingCall): void
}

/** Rooms that a call may have been in before it waits for all its accounts together. */
const MOVES_MAX = 2
/** How long it waits for each of them at first; twice as long every time that was not enough, up to a bound. */
const BOTH_WAIT_MS = 200
const BOTH_WAIT_MAX_MS = 2_000
/**
 * A room is not full before its account was out of reach for so long: a lane and a room of ours that meet lock an account for
 * each other too, and that may be one that all the calls want.
 */
const MOMENT_MS = 1_000
/** New calls come all the time: it does not pay to wait for less. */
const WAIT_MIN_MS = 1_000

export class WaitingRooms {
  readonly #keeper: RoomKeeper
  readonly #lengthMax: number
  readonly #batchSizeMax: number
  readonly #rooms = new Map<string, PendingCall[]>()
  /** When each room last had its account, or was opened. */
  readonly #hadAt = new Map<string, number>()

  /** @param lengthMax how many calls may wait for one account. */
  constructor(keeper: RoomKeeper, { lengthMax, batchSizeMax }: { lengthMax: number; batchSizeMax: number }) {
    this.#keeper = keeper
    this.#lengthMax = lengthMax
    this.#batchSizeMax = batchSizeMax
  }

  /** The account that a call would have to wait for, if any. */
  accountFor(call: PendingCall): string | undefined {
    return this.#rooms.size === 0 ? undefined : call.accountIds.find((id) => this.#rooms.has(id))
  }

  enter(accountId: string, call: PendingCall): void {
    this.#keeper.entered()
    if (call.lastRoom !== accountId) call.moves++
    call.lastRoom = accountId
    const room = this.#rooms.get(accountId)
    if (!room) {
      this.#rooms.set(accountId, [call])
      this.#hadAt.set(accountId, performance.now())
      void this.#keep(accountId)
    } else if (room.length < this.#lengthMax || performance.now() < (this.#hadAt.get(accountId) ?? 0) + MOMENT_MS)
      room.push(call)
    else this.#keeper.refused(call)
  }

  /** Answers those whose time is over, also while their account is waited for. */
  expire(): void {
    for (const room of this.#rooms.values()) this.#expire(room)
  }

  async #keep(accountId: string): Promise<void> {
    const room = this.#rooms.get(accountId) as PendingCall[]
    try {
      for (;;) {
        this.#expire(room)
        const [first] = room
        if (!first) break
        // For the last of them, whatever becomes of the others: who gives up and comes again loses the place in PostgreSQL's
        // own queue.
        const leftMs = Math.max(...room.map(({ deadlineAt }) => deadlineAt)) - performance.now()
        const hasMovedOften = first.moves > MOVES_MAX
        const accountIds = hasMovedOften ? first.accountIds : [accountId]
        const waitMs = hasMovedOften
          ? Math.min(leftMs, BOTH_WAIT_MAX_MS, BOTH_WAIT_MS * 2 ** (first.moves - MOVES_MAX))
          : Math.max(leftMs, WAIT_MIN_MS)
        let taken: PendingCall[] | undefined
        const take = () => {
          this.#hadAt.set(accountId, performance.now())
          this.#expire(room)
          taken = room.splice(0, this.#sizeOfBatch(room))
          return taken.map(({ postings }) => postings)
        }
        await this.#keeper.run(accountIds, waitMs, take).then(
          (result) => this.#keeper.settle(taken ?? [], result),
          (error) => {
            const wasNotHad = taken === undefined && sqlstateOf(error) === '55P03'
            if (!wasNotHad) this.#keeper.failed(taken ?? room.splice(0), error)
            else if (hasMovedOften) {
              // The others may have better luck.
              first.moves++
              room.push(...room.splice(0, 1))
            }
          },
        )
      }
    } finally {
      this.#rooms.delete(accountId)
      this.#hadAt.delete(accountId)
    }
  }

  /** As many as make a batch, from the front; one that is to be alone is. */
  #sizeOfBatch(room: readonly PendingCall[]): number {
    let postings = 0
    const end = room.findIndex((call) => {
      postings += call.postings.length
      return call.isAlone || postings > this.#batchSizeMax
    })
    return end === -1 ? room.length : Math.max(1, end)
  }

  #expire(room: PendingCall[]): void {
    const now = performance.now()
    const late = room.filter(({ deadlineAt }) => deadlineAt <= now)
    if (late.length === 0) return
    room.splice(0, room.length, ...room.filter(({ deadlineAt }) => deadlineAt > now))
    for (const call of late) this.#keeper.expired(call)
  }
}
