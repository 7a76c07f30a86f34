import { type Amount, toAmount, ZERO } from '../../db/amount.ts'
import type { AccountId, TransactionId } from '../../db/ids.ts'
import { instantOf, microsecondsOf } from '../../db/instant.ts'
import type { AccountStatus } from '../model/account.ts'
import type { Head } from '../model/head.ts'
import { AMOUNT_MAX } from '../model/money.ts'
import type { CallOutcome, Outcome, Posted, Posting } from '../model/posting.ts'
import type { PayloadField, Refusal } from '../model/refusal.ts'
import { kindOf } from '../model/sides.ts'
import type { LedgerTransaction } from '../model/transaction.ts'

/** What an account is while it is locked. */
export interface LockedAccount {
  status: AccountStatus
  currency: string
}

export interface LedgerState {
  /** PostgreSQL's clock, in microseconds, read after the locks. */
  clock: number
  /** All accounts that exist and are locked. */
  accounts: ReadonlyMap<AccountId, LockedAccount>
  /** Their heads. */
  heads: ReadonlyMap<AccountId, Head>
  /** How much of each transaction that the batch reverses was reversed before. */
  reversed: ReadonlyMap<TransactionId, Amount>
  /** Recorded transactions with a key of the batch, by key. */
  recorded: ReadonlyMap<string, LedgerTransaction>
}

export interface Folded {
  /** One for each call, in the same order. */
  outcomes: CallOutcome[]
  /** The transactions to insert, in arrival order. */
  accepted: LedgerTransaction[]
  /** The heads after the accepted transactions. */
  heads: ReadonlyMap<AccountId, Head>
}

/**
 * Judges calls in arrival order, as a pure function of a known state. A batch gives the same results as the same calls one
 * at a time: a key that was accepted earlier in the batch is a replay or a conflict; a key that was refused is judged again.
 *
 * Refusals are judged in this order: key, same account, accounts exist, status, currency, what is left to
 * reverse, funds, limit.
 */
export function fold(calls: readonly (readonly Posting[])[], state: LedgerState): Folded {
  const draft = new Draft(state)
  const outcomes = calls.map((postings): CallOutcome => {
    const start = draft.position
    const posted: Posted[] = []
    for (const [index, posting] of postings.entries()) {
      const outcome = draft.judge(posting)
      if ('refusal' in outcome) {
        draft.undoTo(start)
        return { refusal: outcome.refusal, index }
      }
      posted.push(outcome.posted)
    }
    return { posted }
  })
  return { outcomes, accepted: draft.accepted, heads: draft.heads }
}

/** The state of the ledger while the batch is judged. A call that is refused half-way is undone. */
class Draft {
  readonly heads: Map<AccountId, Head>
  readonly accepted: LedgerTransaction[] = []
  readonly #state: LedgerState
  readonly #byKey = new Map<string, Posted>()
  /** How much of a transaction is reversed, once the batch has a reversal of it. */
  readonly #reversed = new Map<TransactionId, Amount>()
  /** The heads that each accepted transaction replaced. */
  readonly #replaced: [accountId: AccountId, head: Head][][] = []

  constructor(state: LedgerState) {
    this.#state = state
    this.heads = new Map(state.heads)
  }

  /** How many transactions are accepted so far. */
  get position(): number {
    return this.accepted.length
  }

  undoTo(position: number): void {
    while (this.accepted.length > position) {
      const { idempotencyKey, reversesId, amount } = this.accepted.pop() as LedgerTransaction
      this.#byKey.delete(idempotencyKey)
      if (reversesId !== null) this.#reversed.set(reversesId, toAmount(this.#reversedOf(reversesId) - amount))
      for (const [accountId, head] of this.#replaced.pop() ?? []) this.heads.set(accountId, head)
    }
  }

  /** Accepts, refuses or replays a posting. */
  judge(posting: Posting): Outcome {
    const inBatch = this.#byKey.get(posting.idempotencyKey)
    // All accounts of a transaction have one currency.
    const account = posting.destinationAccountId ?? posting.sourceAccountId
    const currency = account === null ? undefined : this.#state.accounts.get(account)?.currency
    const earlier = inBatch?.transaction ?? this.#state.recorded.get(posting.idempotencyKey)
    if (earlier) {
      const differingFields = differences(posting, earlier, this.#state.accounts)
      if (differingFields.length > 0) {
        return { refusal: { code: 'IDEMPOTENCY_CONFLICT', differingFields, transaction: earlier } }
      }
      // It has this posting's id: an earlier attempt was committed, and its answer was lost.
      return { posted: { ...inBatch, transaction: earlier, replayed: earlier.id !== posting.id, currency } }
    }

    const { sourceAccountId, destinationAccountId, amount } = posting
    const refusal = refusalOf(posting, this.#state.accounts) ?? this.#excessOf(posting)
    if (refusal) return { refusal }
    // The accounts exist, so they have heads.
    const source = sourceAccountId === null ? null : (this.heads.get(sourceAccountId) as Head)
    const destination = destinationAccountId === null ? null : (this.heads.get(destinationAccountId) as Head)
    if (sourceAccountId !== null && source && source.balance < amount) {
      const available = source.balance
      const shortfall = toAmount(amount - available)
      return {
        refusal: { code: 'INSUFFICIENT_FUNDS', accountId: sourceAccountId, available, required: amount, shortfall },
      }
    }
    if (destinationAccountId !== null && destination && destination.balance > AMOUNT_MAX - amount)
      return { refusal: { code: 'BALANCE_LIMIT', accountId: destinationAccountId } }
    return { posted: this.#accept(posting, source, destination, currency) }
  }

  /** Whether a reversal would take back more than is left of the transaction. */
  #excessOf({ reverses, amount }: Posting): Refusal | undefined {
    if (!reverses) return undefined
    const remaining = toAmount(reverses.amount - this.#reversedOf(reverses.id))
    return amount > remaining ? { code: 'REVERSAL_EXCEEDS', remaining } : undefined
  }

  #reversedOf(id: TransactionId): Amount {
    return this.#reversed.get(id) ?? this.#state.reversed.get(id) ?? ZERO
  }

  #accept(posting: Posting, source: Head | null, destination: Head | null, currency: string | undefined): Posted {
    const { id, idempotencyKey, sourceAccountId, destinationAccountId, amount, reverses } = posting
    const createdAt = instantOf(Math.max(this.#state.clock, after(source), after(destination)))
    const transaction: LedgerTransaction = {
      id,
      idempotencyKey,
      sourceAccountId,
      sourceSequence: source && source.sequence + 1,
      destinationAccountId,
      destinationSequence: destination && destination.sequence + 1,
      amount,
      createdAt,
      reversesId: reverses?.id ?? null,
      description: posting.description ?? null,
      metadata: posting.metadata ?? null,
    }
    const replaced: [AccountId, Head][] = []
    const move = (accountId: AccountId | null, head: Head | null, change: bigint): Amount | null => {
      if (accountId === null || head === null) return null
      const balance = toAmount(head.balance + change)
      replaced.push([accountId, head])
      this.heads.set(accountId, { sequence: head.sequence + 1, balance, createdAt })
      return balance
    }
    const balancesAfter = {
      source: move(sourceAccountId, source, -amount),
      destination: move(destinationAccountId, destination, amount),
    }
    if (reverses) this.#reversed.set(reverses.id, toAmount(this.#reversedOf(reverses.id) + amount))
    this.accepted.push(transaction)
    this.#replaced.push(replaced)
    const posted = { transaction, replayed: false, balancesAfter, currency }
    this.#byKey.set(idempotencyKey, posted)
    return posted
  }
}

/** Why the accounts of a posting do not allow it, whatever they hold. */
function refusalOf(posting: Posting, accounts: LedgerState['accounts']): Refusal | undefined {
  const { sourceAccountId, destinationAccountId } = posting
  if (sourceAccountId !== null && sourceAccountId === destinationAccountId)
    return { code: 'SAME_ACCOUNT', accountId: sourceAccountId }
  const source = sourceAccountId === null ? undefined : accounts.get(sourceAccountId)
  if (sourceAccountId !== null && !source) return { code: 'ACCOUNT_NOT_FOUND', accountId: sourceAccountId }
  const destination = destinationAccountId === null ? undefined : accounts.get(destinationAccountId)
  if (destinationAccountId !== null && !destination)
    return { code: 'ACCOUNT_NOT_FOUND', accountId: destinationAccountId }
  if (sourceAccountId !== null && source?.status === 'CLOSED')
    return { code: 'ACCOUNT_CLOSED', accountId: sourceAccountId }
  if (sourceAccountId !== null && source?.status === 'FROZEN' && !posting.ignoreFreeze)
    return { code: 'ACCOUNT_FROZEN', accountId: sourceAccountId }
  if (destinationAccountId !== null && destination?.status === 'CLOSED')
    return { code: 'ACCOUNT_CLOSED', accountId: destinationAccountId }
  const currency = (destination ?? source)?.currency
  const isMismatch =
    (source && source.currency !== currency) || (posting.currency != null && posting.currency !== currency)
  return isMismatch ? { code: 'CURRENCY_MISMATCH' } : undefined
}

/** The earliest time of an account's next entry, in microseconds: times rise strictly within an account. */
function after(head: Head | null): number {
  return head?.createdAt ? microsecondsOf(head.createdAt) + 1 : 0
}

function differences(posting: Posting, recorded: LedgerTransaction, accounts: LedgerState['accounts']): PayloadField[] {
  const fields: PayloadField[] = []
  if (kindOf(posting) !== kindOf(recorded)) fields.push('kind')
  // Where one of them is the world outside, the kind differs.
  for (const side of ['sourceAccountId', 'destinationAccountId'] as const)
    if (posting[side] !== recorded[side] && posting[side] !== null && recorded[side] !== null) fields.push(side)
  if (posting.amount !== recorded.amount) fields.push('amount')
  const currency = sharedCurrency(posting, recorded, accounts)
  if (posting.currency != null && currency !== undefined && posting.currency !== currency) fields.push('currency')
  if ((posting.reverses?.id ?? null) !== recorded.reversesId) fields.push('reverses')
  if ((posting.description ?? null) !== recorded.description) fields.push('description')
  if (posting.metadata != null || recorded.metadata !== null) {
    const [ours, theirs] = [posting.metadata ?? {}, recorded.metadata ?? {}]
    for (const key of [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort())
      if (ours[key] !== theirs[key]) fields.push(`metadata.${key}`)
  }
  return fields
}

/** The currency of a recorded transaction, if the posting is for one of its accounts: only those of the posting are known. */
function sharedCurrency(posting: Posting, recorded: LedgerTransaction, accounts: LedgerState['accounts']) {
  for (const side of ['destinationAccountId', 'sourceAccountId'] as const) {
    const accountId = posting[side]
    if (accountId !== null && accountId === recorded[side]) return accounts.get(accountId)?.currency
  }
  return undefined
}
