import { Temporal } from 'temporal-polyfill'
import type { Instant } from './instant.ts'

/*
 * Where the hours, days, weeks and months of a time zone begin. Node's own time zone data decide, through Temporal, and
 * PostgreSQL is only ever given moments: in its tables `+05` means the contrary of what ISO 8601 says.
 */

export type BucketSize = 'HOUR' | 'DAY' | 'WEEK' | 'MONTH'

const ZONE_NAME = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/

/** Whether there is a time zone of this name, such as `Europe/Paris` or `UTC`. An offset is no name. */
export function isTimeZone(name: string): boolean {
  if (!ZONE_NAME.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * The first moments of all buckets between `from` and `to`, both excluded, in order.
 *
 * A day begins when its date does: at 01:00 where the clock skips midnight, at the first midnight where it shows two. A
 * week begins on Monday (ISO 8601). An hour begins whenever the clock shows a full one, so the hour that is shown twice
 * in autumn is two buckets.
 *
 * @returns at most `countMax` + 1 of them.
 */
export function bucketStarts(
  from: Instant,
  to: Instant,
  bucket: BucketSize,
  timeZone: string,
  countMax: number,
): Instant[] {
  const starts: Instant[] = []
  let last = from
  for (const { epochMilliseconds } of bucket === 'HOUR' ? hours(from, timeZone) : dates(from, bucket, timeZone)) {
    const start = new Date(epochMilliseconds).toISOString().replace('Z', '000Z')
    if (start >= to || starts.length > countMax) break
    // A date that a country skipped when it changed sides of the date line begins where the next one does.
    if (start > last) starts.push(start)
    last = start > last ? start : last
  }
  return starts
}

const STEPS = { DAY: { days: 1 }, WEEK: { weeks: 1 }, MONTH: { months: 1 } } as const

function* dates(from: Instant, bucket: Exclude<BucketSize, 'HOUR'>, timeZone: string) {
  const day = Temporal.Instant.from(from).toZonedDateTimeISO(timeZone).toPlainDate()
  const first =
    bucket === 'MONTH' ? day.with({ day: 1 }) : bucket === 'WEEK' ? day.subtract({ days: day.dayOfWeek - 1 }) : day
  for (let date = first; ; date = date.add(STEPS[bucket])) yield date.toZonedDateTime(timeZone)
}

function* hours(from: Instant, timeZone: string) {
  let time = Temporal.Instant.from(from)
    .toZonedDateTimeISO(timeZone)
    .round({ smallestUnit: 'second', roundingMode: 'floor' })
  for (;;) {
    // To the next full hour by this clock: a change of offset on the way may lead elsewhere, and it goes on from there.
    time = time.add({ seconds: 3_600 - time.minute * 60 - time.second })
    if (time.minute === 0 && time.second === 0) yield time
  }
}
