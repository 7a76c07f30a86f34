import { Kind, type ValueNode } from 'graphql'
import { type Amount, readAmount, toAmount } from '../db/amount.ts'
import { type Instant, parseInstant } from '../db/instant.ts'
import { AMOUNT_MAX, AMOUNT_MIN } from '../ledger/model/money.ts'
import { builder } from './builder.ts'
import { requestError } from './request-error.ts'

/** Reasons never repeat the value: it may be a secret in the wrong place. */
const refuse = (reason: string) => requestError('BAD_USER_INPUT', reason)

/** The text of a literal, or undefined when it is none of these kinds. */
const literal = (node: ValueNode, ...kinds: Kind[]) =>
  kinds.includes(node.kind) && 'value' in node ? node.value : undefined

const AMOUNT_REASON = 'must be a whole number of minor units within 64 bits, as an integer or a decimal string.'
const DECIMAL_REASON = 'must be in minor units, without a decimal point: send 1000 for 10.00 USD.'
const UNSAFE_REASON = 'must be sent as a string above 2^53-1: JSON numbers lose digits there.'

/** A fraction, as most other systems write amounts. */
const DECIMAL = /^-?[0-9]+\.[0-9]+$/
const INTEGER_LENGTH_MAX = 20
const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/

function parseAmount(text: unknown): Amount {
  if (typeof text !== 'string' || text.length > INTEGER_LENGTH_MAX) throw refuse(AMOUNT_REASON)
  if (!INTEGER.test(text)) throw refuse(DECIMAL.test(text) ? DECIMAL_REASON : AMOUNT_REASON)
  const amount = readAmount(text)
  if (amount > AMOUNT_MAX || amount < AMOUNT_MIN) throw refuse(AMOUNT_REASON)
  return amount
}

builder.scalarType('Amount', {
  description:
    'An exact amount of money, counted in the minor units of its currency: cents in USD, yen in JPY. Out: a decimal string, since JSON numbers lose digits past 2^53; totals may pass 64 bits. In: such a string within 64 bits, or a JSON integer within ±(2^53-1). No sign, space, leading zero or fraction: "+5", " 5", "05" and "1.0" are refused.',
  serialize: (value) => String(value),
  parseValue: (value) => {
    if (typeof value !== 'number') return parseAmount(value)
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) throw refuse(UNSAFE_REASON)
    if (!Number.isInteger(value)) throw refuse(DECIMAL_REASON)
    if (Object.is(value, -0)) throw refuse(AMOUNT_REASON)
    return toAmount(BigInt(value))
  },
  parseLiteral: (node) => parseAmount(literal(node, Kind.INT, Kind.FLOAT, Kind.STRING)),
})

const SEQUENCE_REASON = 'must be a whole number from 0 to 2^53-1.'

builder.scalarType('Sequence', {
  description:
    'A count, or the number of an entry in its account: a JSON integer up to 2^53-1. A busy account would exceed an Int.',
  serialize: (value) => Number(value),
  parseValue: (value) => {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw refuse(SEQUENCE_REASON)
    return value as number
  },
  parseLiteral: (node) => {
    const value = Number(literal(node, Kind.INT) ?? Number.NaN)
    if (!Number.isSafeInteger(value) || value < 0) throw refuse(SEQUENCE_REASON)
    return value
  },
})

const UUID_REASON = 'must be a UUID, like 018f4e2a-7c1d-7000-8000-3b9d5f0c1e2a.'
const UUID_LENGTH = 36
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function parseUuid(value: unknown): string {
  const uuid = typeof value === 'string' && value.length === UUID_LENGTH ? value.toLowerCase() : ''
  if (!UUID.test(uuid)) throw refuse(UUID_REASON)
  return uuid
}

builder.scalarType('UUID', {
  description: 'A UUID of any version, with hyphens. Any case in, lower case out.',
  serialize: String,
  parseValue: parseUuid,
  parseLiteral: (node) => parseUuid(literal(node, Kind.STRING)),
})

const DATE_TIME_LENGTH_MAX = 64
const DATE_TIME_REASON = 'must be an ISO 8601 date and time with a zone, like 2026-01-31T23:59:59.000001Z.'

function parseDateTime(value: unknown): Instant {
  const isShort = typeof value === 'string' && value.length <= DATE_TIME_LENGTH_MAX
  const instant = isShort ? parseInstant(value) : undefined
  if (instant === undefined) throw refuse(DATE_TIME_REASON)
  return instant
}

builder.scalarType('DateTime', {
  description:
    'A moment, exact to the microsecond. In: ISO 8601 with a zone (`Z` or an offset) and any number of fractional digits; digits beyond microseconds are cut off. Out: UTC, always with six digits and `Z`, so that the strings sort as the moments do. Pass them on as strings: many date types drop the microseconds.',
  serialize: String,
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(literal(node, Kind.STRING)),
})
