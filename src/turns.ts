/*
 * Turns of the event loop, for work that may be long. Everybody waits while the loop is held up, so such work is cut into
 * slices, and each turn of the loop takes on a bounded number of units. What does not fit waits for a later turn; between
 * turns the loop serves everything else. Owners take turns too: who has much to do holds up nobody who has little.
 */

/** A unit is an item of a list with its fields: 20 to 100 µs. */
export const UNITS_PER_TURN = 32

interface Slice {
  units: number
  begin: () => void
}

/** The owners that wait, the next one first. */
const waiting = new Map<object, Slice[]>()
let unitsLeft = UNITS_PER_TURN
let isScheduled = false

/**
 * Turns in a row that slices may skip for new connections. Without a limit, a stream of connections would stop all slices.
 * With a limit of 32, the last of 160 clients who connected at once and asked for long answers was accepted after 270 ms of
 * processor time; without skipped turns, after 850.
 */
export const TURNS_FOR_CONNECTIONS_MAX = 64
let hasNewConnection = false
let turnsForConnections = 0

/** A turn takes one slice of any size, and more as long as they fit. */
const fits = (units: number) => units <= unitsLeft || unitsLeft === UNITS_PER_TURN

/**
 * Asks for time on the event loop.
 *
 * @param owner whose work it is, such as an operation.
 * @param units how much work it is, at most about `UNITS_PER_TURN`.
 * @returns undefined when the work may begin at once; else resolves when it may.
 */
export function takeTurn(owner: object, units: number): Promise<void> | undefined {
  if (!isScheduled) schedule()
  if (waiting.size === 0 && fits(units)) {
    unitsLeft -= units
    return undefined
  }
  return new Promise((begin) => {
    const slices = waiting.get(owner)
    if (slices) slices.push({ units, begin })
    else waiting.set(owner, [{ units, begin }])
  })
}

/**
 * To be called for each new connection. The next turn then skips the waiting slices, since more clients may be waiting to
 * connect: Node accepts only one in a turn, so long turns would add up.
 */
export function noteConnection(): void {
  hasNewConnection = true
}

function schedule(): void {
  isScheduled = true
  setImmediate(beginTurn)
}

function beginTurn(): void {
  if (hasNewConnection && turnsForConnections < TURNS_FOR_CONNECTIONS_MAX) {
    hasNewConnection = false
    turnsForConnections++
    schedule()
    return
  }
  hasNewConnection = false
  turnsForConnections = 0
  unitsLeft = UNITS_PER_TURN
  isScheduled = false
  for (const [owner, slices] of waiting) {
    const [slice] = slices
    if (!slice || !fits(slice.units)) break
    unitsLeft -= slice.units
    slices.shift()
    waiting.delete(owner)
    // Behind the other owners: the loop meets it there again.
    if (slices.length > 0) waiting.set(owner, slices)
    slice.begin()
  }
  if (waiting.size > 0 || unitsLeft < UNITS_PER_TURN) schedule()
}
