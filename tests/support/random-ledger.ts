import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { type AccountId, type TransactionId, toTransactionId } from '../../src/db/ids.ts'
import { type Instant, instantOf, microsecondsOf } from '../../src/db/instant.ts'

/* Ledgers that follow from a seed, kept in memory as plain rows: what every reader answers is added up from these. */

export interface Row {
  id: TransactionId
  idempotencyKey: string
  source: AccountId | null
  sourceSequence: number | null
  destination: AccountId | null
  destinationSequence: number | null
  amount: bigint
  createdAt: Instant
  description: string | null
  metadata: Record<string, string> | null
}

/** One entry of an account, by brute force. */
export interface PlainEntry {
  sequence: number
  change: bigint
  balanceAfter: bigint
  createdAt: Instant
  row: Row
}

/** What is on many rows, so that filters match some of them. */
export const WORDS = ['Rent', 'rent of May', 'a book'] as const
export const NOTES = [{ order: '1' }, { order: '1', shop: 'a' }, { order: '2', shop: 'a' }, { shop: 'b' }] as const

/** Numbers from 0 up to 1 that follow from a seed (mulberry32). */
export function randomOf(seed: number) {
  let state = seed | 0
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const upTo = (count: number) => Math.floor(random() * count)
  return { random, upTo, oneOf: <Item>(items: readonly Item[]) => items[upTo(items.length)] as Item }
}

/**
 * Rows whose times rise in each account, and are often the same in others; whose clock stands still or steps back now and
 * then, so that times go on by a microsecond each; and that often stand at one of `edges`, or right beside it.
 *
 * @param currencyOf what an account is in: money moves within a currency only. By default all are in one.
 * @param isOld without what version 0.1.0 does not know: withdrawals and words.
 */
export function randomRows(
  seed: number,
  {
    accounts,
    currencyOf = () => undefined,
    count,
    edges,
    isOld = false,
  }: {
    accounts: readonly AccountId[]
    currencyOf?: (id: AccountId) => string | undefined
    count: number
    edges: readonly Instant[]
    isOld?: boolean
  },
): Row[] {
  const { random, upTo, oneOf } = randomOf(seed)
  const first = microsecondsOf(edges[0] as Instant)
  const span = microsecondsOf(edges.at(-1) as Instant) - first
  const clock = Array.from({ length: count }, () =>
    random() < 0.6 ? microsecondsOf(oneOf(edges)) + upTo(3) - 1 : first + Math.floor(random() * span),
  ).sort((a, b) => a - b)
  const heads = new Map(accounts.map((id) => [id, { sequence: 0, balance: 0n, at: 0 }]))
  const headOf = (id: AccountId) => heads.get(id) as { sequence: number; balance: bigint; at: number }
  return clock.map((time, index) => {
    // A step back: the time of an earlier one.
    const now = random() < 0.1 ? (clock[Math.max(0, index - 5)] as number) : time
    const payee = oneOf(accounts)
    const payer = oneOf(accounts)
    const mayPay = random() < 0.7 && headOf(payer).balance > 0n
    const isWithdrawal = !isOld && mayPay && random() < 0.2
    const isTransfer = !isWithdrawal && mayPay && payer !== payee && currencyOf(payer) === currencyOf(payee)
    const source = isTransfer || isWithdrawal ? payer : null
    const destination = isWithdrawal ? null : payee
    const amount = source ? 1n + BigInt(upTo(Math.min(50, Number(headOf(source).balance)))) : BigInt(1 + upTo(100))
    const sides = [source, destination].filter((id) => id !== null)
    const at = Math.max(now, ...sides.map((id) => headOf(id).at + 1))
    for (const id of sides) {
      const head = headOf(id)
      head.at = at
      head.sequence++
      head.balance += id === source ? -amount : amount
    }
    return {
      id: toTransactionId(randomUUID()),
      idempotencyKey: randomUUID(),
      source,
      sourceSequence: source === null ? null : headOf(source).sequence,
      destination,
      destinationSequence: destination === null ? null : headOf(destination).sequence,
      amount,
      createdAt: instantOf(at),
      description: !isOld && upTo(2) ? oneOf(WORDS) : null,
      metadata: !isOld && upTo(2) ? oneOf(NOTES) : null,
    }
  })
}

export async function insertRows(pool: pg.Pool, rows: readonly Row[]): Promise<void> {
  await pool.query(
    `insert into transactions (id, idempotency_key, source_account_id, source_sequence, destination_account_id, destination_sequence, amount, created_at, description, metadata)
     select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bigint[], $8::timestamptz[], $9::text[], $10::jsonb[])`,
    [
      rows.map((row) => row.id),
      rows.map((row) => row.idempotencyKey),
      rows.map((row) => row.source),
      rows.map((row) => row.sourceSequence),
      rows.map((row) => row.destination),
      rows.map((row) => row.destinationSequence),
      rows.map((row) => row.amount.toString()),
      rows.map((row) => row.createdAt),
      rows.map((row) => row.description),
      rows.map((row) => row.metadata && JSON.stringify(row.metadata)),
    ],
  )
}

/** Oldest first. */
export function plainEntries(rows: readonly Row[], account: AccountId): PlainEntry[] {
  let balanceAfter = 0n
  return rows
    .filter(({ source, destination }) => source === account || destination === account)
    .map((row) => {
      const change = row.source === account ? -row.amount : row.amount
      const sequence = (row.source === account ? row.sourceSequence : row.destinationSequence) as number
      balanceAfter += change
      return { sequence, change, balanceAfter, createdAt: row.createdAt, row }
    })
}
