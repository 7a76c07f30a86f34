import { type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import type { Brand } from './brand.ts'

/**
 * A moment in UTC with exactly six digits of a second: `2026-01-31T23:59:59.000001Z`. Strings of this form sort as
 * the moments do, and keep the microseconds that a JavaScript `Date` drops.
 */
export type Instant = Brand<string, 'Instant'>

/** Takes a text that has this form already. Text from outside goes through `parseInstant`. */
export const toInstant = (text: string): Instant => text as Instant

const ISO_8601 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(?:([Zz])|([+-])(\d{2}):(\d{2}))$/

/**
 * Reads an ISO 8601 date and time with a zone, any offset, any number of digits of a second, years 0001 to 9999.
 *
 * @returns the same moment as an Instant, cut to the microsecond at or before it, or undefined when the text is no such
 * thing (or no day of any calendar).
 */
export function parseInstant(text: string): Instant | undefined {
  const match = ISO_8601.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((group) => Number(match[group] ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const [offsetHour, offsetMinute] = [Number(match[10] ?? 0), Number(match[11] ?? 0)]
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 15 || offsetMinute > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const offsetMinutes = (match[9] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute)
  date.setUTCHours(hour, minute - offsetMinutes, second)
  const utcYear = date.getUTCFullYear()
  if (utcYear < 1 || utcYear > 9999) return undefined
  return toInstant(`${date.toISOString().slice(0, 19)}.${(match[7] ?? '').slice(0, 6).padEnd(6, '0')}Z`)
}

/** Microseconds since 1970-01-01T00:00:00Z; exact in a double until the year 2255. */
export function microsecondsOf(instant: Instant): number {
  return Date.parse(`${instant.slice(0, 19)}Z`) * 1000 + Number(instant.slice(20, 26))
}

/** The inverse of {@link microsecondsOf}. */
export function instantOf(microseconds: number): Instant {
  const milliseconds = Math.floor(microseconds / 1000)
  const rest = microseconds - milliseconds * 1000
  return toInstant(`${new Date(milliseconds).toISOString().slice(0, 23)}${String(rest).padStart(3, '0')}Z`)
}

/** Before every moment, as PostgreSQL writes it. */
export const ALWAYS_BEFORE = toInstant('-infinity')

/** The moment one microsecond earlier; before the first one there is `ALWAYS_BEFORE`. */
export function justBefore(instant: Instant): Instant {
  const microseconds = Number(instant.slice(20, 26))
  if (microseconds > 0) return toInstant(`${instant.slice(0, 20)}${String(microseconds - 1).padStart(6, '0')}Z`)
  const second = new Date(Date.parse(`${instant.slice(0, 19)}Z`) - 1_000)
  return second.getUTCFullYear() < 1 ? ALWAYS_BEFORE : toInstant(`${second.toISOString().slice(0, 19)}.999999Z`)
}

/** The moment one microsecond later. */
export function justAfter(instant: Instant): Instant {
  return instantOf(microsecondsOf(instant) + 1)
}

/** A `timestamptz` as an Instant, whatever the session's time zone and date style are. */
export function selectInstant(time: SQLWrapper): SQL<Instant> {
  return sql<Instant>`to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

/** The same of a time that may be NULL, which stays NULL. */
export const selectInstantOrNull: (time: SQLWrapper) => SQL<Instant | null> = selectInstant
