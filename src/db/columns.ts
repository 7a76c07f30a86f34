import { bigint, customType, timestamp } from 'drizzle-orm/pg-core'
import type { Amount } from './amount.ts'

/** A 64-bit transaction id of PostgreSQL; never wraps, unlike `xid`. */
export const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' })
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' })

/** Microseconds matter: a JavaScript `Date` would drop them, so times are strings. */
export const time = (name: string) => timestamp(name, { withTimezone: true, precision: 6, mode: 'string' })
export const amount = (name: string) => bigint(name, { mode: 'bigint' }).$type<Amount>()
export const sequence = (name: string) => bigint(name, { mode: 'number' })
