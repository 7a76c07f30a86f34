import { type Instant, instantOf, microsecondsOf } from './instant.ts'
import { CENTS_MAX, type Cents } from './money.ts'
import type { PayloadField, Refusal } from './refusal.ts'
import { kindOf, type LedgerTransaction } from './transaction.ts'

/** A wish to move money. Its id is made once, before the first attempt, and kept through every re-run. */
export interface Posting {
  id: string
  idempotencyKey: string
  /** null: a deposit. */
  sourceUserId: string | null
  destinationUserId: string
  amount: Cents
}

/** Where an account stands: its last entry. An account without entries is at sequence 0. */
export interface Head {
  sequence: number
  balance: Cents
  createdAt: Instant | null
}

export interface Posted {
  transaction: LedgerTransaction
  /** True when an earlier attempt with this key had posted it. */
  replayed: boolean
  /** Balances right after the transaction; absent on a replay from before this batch. */
  balancesAfter?: { source: Cents | null; destination: Cents }
}

export type Outcome = { posted: Posted } | { refusal: Refusal }

export interface LedgerState {
  /** PostgreSQL's clock, in microseconds, read after the locks. */
  clock: number
  /** The head of every account that exists and is locked. */
  heads: ReadonlyMap<string, Head>
  /** Transactions that hold one of the batch's keys already, by key. */
  recorded: ReadonlyMap<string, LedgerTransaction>
}

export interface Folded {
  /** One for each posting, in its place. */
  outcomes: Outcome[]
  /** What is to be inserted, in arrival order. */
  accepted: LedgerTransaction[]
}

/**
 * Judges postings in arrival order over a known state, purely. A batch gives exactly what the same postings one at a
 * time would give: an equal key after an accepted one is its replay or a conflict; after a refused one it is judged anew.
 *
 * Refusals are judged in this order: key, same user, users exist, funds, limit.
 */
export function fold(postings: readonly Posting[], state: LedgerState): Folded {
  const heads = new Map(state.heads)
  const acceptedByKey = new Map<string, Posted>()
  const accepted: LedgerTransaction[] = []

  const outcomes = postings.map((posting): Outcome => {
    const inBatch = acceptedByKey.get(posting.idempotencyKey)
    const earlier = inBatch?.transaction ?? state.recorded.get(posting.idempotencyKey)
    if (earlier) {
      const differingFields = differences(posting, earlier)
      if (differingFields.length > 0) {
        return { refusal: { code: 'IDEMPOTENCY_CONFLICT', differingFields, transaction: earlier } }
      }
      // Its own id: an earlier attempt of this very posting had been committed without our knowing.
      return { posted: { ...inBatch, transaction: earlier, replayed: earlier.id !== posting.id } }
    }

    const { sourceUserId, destinationUserId, amount } = posting
    if (sourceUserId === destinationUserId) return { refusal: { code: 'SAME_USER', userId: destinationUserId } }
    const source = sourceUserId === null ? null : heads.get(sourceUserId)
    if (source === undefined) return { refusal: { code: 'USER_NOT_FOUND', userId: sourceUserId as string } }
    const destination = heads.get(destinationUserId)
    if (destination === undefined) return { refusal: { code: 'USER_NOT_FOUND', userId: destinationUserId } }
    if (source && source.balance < amount) {
      const available = source.balance
      return { refusal: { code: 'INSUFFICIENT_FUNDS', available, required: amount, shortfall: amount - available } }
    }
    if (destination.balance > CENTS_MAX - amount)
      return { refusal: { code: 'BALANCE_LIMIT', userId: destinationUserId } }

    const createdAt = instantOf(Math.max(state.clock, after(source), after(destination)))
    const transaction: LedgerTransaction = {
      id: posting.id,
      idempotencyKey: posting.idempotencyKey,
      sourceUserId,
      sourceSequence: source ? source.sequence + 1 : null,
      destinationUserId,
      destinationSequence: destination.sequence + 1,
      amount,
      createdAt,
    }
    const sourceAfter = source ? source.balance - amount : null
    if (sourceUserId !== null && source && sourceAfter !== null) {
      heads.set(sourceUserId, { sequence: source.sequence + 1, balance: sourceAfter, createdAt })
    }
    const destinationAfter = destination.balance + amount
    heads.set(destinationUserId, { sequence: destination.sequence + 1, balance: destinationAfter, createdAt })

    accepted.push(transaction)
    const posted = {
      transaction,
      replayed: false,
      balancesAfter: { source: sourceAfter, destination: destinationAfter },
    }
    acceptedByKey.set(posting.idempotencyKey, posted)
    return { posted }
  })
  return { outcomes, accepted }
}

/** The earliest microsecond an account's next entry may bear: times rise strictly within an account. */
function after(head: Head | null): number {
  return head?.createdAt ? microsecondsOf(head.createdAt) + 1 : 0
}

function differences(posting: Posting, recorded: LedgerTransaction): PayloadField[] {
  const fields: PayloadField[] = []
  if (kindOf(posting) !== kindOf(recorded)) fields.push('kind')
  else if (posting.sourceUserId !== recorded.sourceUserId) fields.push('sourceUserId')
  if (posting.destinationUserId !== recorded.destinationUserId) fields.push('destinationUserId')
  if (posting.amount !== recorded.amount) fields.push('amount')
  return fields
}
