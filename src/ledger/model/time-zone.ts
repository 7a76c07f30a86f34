import { LRUCache } from 'lru-cache'
import { Temporal } from 'temporal-polyfill'
import { takeTurn } from '../../turns.ts'

/*
 * Time zones, by their names. They are the ones of Node's own data, read through Temporal. PostgreSQL gets only moments: in
 * its tables `+05` means the opposite of what it means in ISO 8601.
 */

/** From `start` up to `end`, in milliseconds since 1970, the clock shows the time in UTC plus `offset`. */
export interface OffsetSpan {
  start: number
  end: number
  offset: number
}

/** The longest name of the IANA database has 32 characters. */
const NAME_LENGTH_MAX = 64
const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/

/** Whether there is a time zone of this name, such as `Europe/Paris` or `UTC`. An offset is not a name. */
export function isTimeZone(name: string): boolean {
  if (name.length > NAME_LENGTH_MAX || !ZONE_NAME.test(name)) return false
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

/** A decade of a zone takes 10 ms to search: half a turn of the event loop. */
const UNITS_PER_DECADE = 100

/**
 * Finds the spans that `offsetSpans` needs and that are not known yet, one decade in a turn of the event loop.
 *
 * @param owner whose work it is: see `takeTurn`.
 */
export async function findOffsetSpans(timeZone: string, from: number, to: number, owner: object): Promise<void> {
  for (let decade = decadeOf(from); decade <= decadeOf(to); decade++) {
    if (known.has(keyOf(timeZone, decade))) continue
    await takeTurn(owner, UNITS_PER_DECADE)
    decadeSpans(timeZone, decade)
  }
}

/** Spans without a gap over all of `from` to `to`. */
export function offsetSpans(timeZone: string, from: number, to: number): OffsetSpan[] {
  const decades: OffsetSpan[] = []
  for (let decade = decadeOf(from); decade <= decadeOf(to); decade++) decades.push(...decadeSpans(timeZone, decade))
  return decades
}

const KNOWN_MAX = 5_000
/** It takes half a millisecond to find one change of the clocks, so the spans are kept. */
const known = new LRUCache<string, OffsetSpan[]>({ max: KNOWN_MAX })

const keyOf = (timeZone: string, decade: number) => `${timeZone.toLowerCase()} ${decade}`
const decadeOf = (time: number) => Math.floor(new Date(time).getUTCFullYear() / 10)

function decadeSpans(timeZone: string, decade: number): OffsetSpan[] {
  const key = keyOf(timeZone, decade)
  let spans = known.get(key)
  if (!spans) {
    spans = findSpans(timeZone, firstOf(decade), firstOf(decade + 1))
    known.set(key, spans)
  }
  return spans
}

/** The first moment of a decade, in UTC. Date.UTC takes the years 0 to 99 for those of the twentieth century. */
const firstOf = (decade: number) => new Date(0).setUTCFullYear(decade * 10, 0, 1)

function findSpans(timeZone: string, start: number, end: number): OffsetSpan[] {
  const spans: OffsetSpan[] = []
  let time = Temporal.Instant.fromEpochMilliseconds(start).toZonedDateTimeISO(timeZone)
  for (;;) {
    const next = time.getTimeZoneTransition('next')
    const until = Math.min(next?.epochMilliseconds ?? end, end)
    spans.push({ start: time.epochMilliseconds, end: until, offset: time.offsetNanoseconds / 1e6 })
    if (!next || until === end) return spans
    time = next
  }
}
