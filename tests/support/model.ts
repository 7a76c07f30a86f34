import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import type { CallOutcome, PostingRequest } from '../../src/ledger/model/posting.ts'

/** What a posting became, without what no model can know: ids and times. */
export type Expected =
  | { replayed: boolean; sequences: [number | null, number]; balancesAfter: [bigint | null, bigint] | undefined }
  | { refused: string; index: number; details: unknown }

interface Recorded {
  request: PostingRequest
  sequences: [number | null, number]
}

/** A ledger in memory, as plain as can be: it judges one call after another and predicts every answer. */
export class Model {
  #accounts: Map<string, { balance: bigint; entries: number }>
  #recorded = new Map<string, Recorded>()

  constructor(accountIds: readonly string[]) {
    this.#accounts = new Map(accountIds.map((id) => [id, { balance: 0n, entries: 0 }]))
  }

  balanceOf(id: string): bigint {
    return this.#accounts.get(id)?.balance ?? 0n
  }

  entriesOf(id: string): number {
    return this.#accounts.get(id)?.entries ?? 0
  }

  get transactionCount(): number {
    return this.#recorded.size
  }

  call(requests: readonly PostingRequest[]): Expected[] {
    const before = { accounts: structuredClone(this.#accounts), recorded: new Map(this.#recorded) }
    const expected: Expected[] = []
    for (const [index, request] of requests.entries()) {
      const one = this.#judge(request)
      if ('refused' in one) {
        this.#accounts = before.accounts
        this.#recorded = before.recorded
        return [{ ...one, index }]
      }
      expected.push(one)
    }
    return expected
  }

  #judge(request: PostingRequest): Expected {
    const { idempotencyKey, sourceAccountId, destinationAccountId, amount } = request
    const no = (refused: string, details: unknown = undefined) => ({ refused, details, index: 0 })
    const earlier = this.#recorded.get(idempotencyKey)
    if (earlier) {
      const isDeposit = (one: PostingRequest) => one.sourceAccountId === null
      const differing = [
        ...(isDeposit(request) !== isDeposit(earlier.request)
          ? ['kind']
          : sourceAccountId !== earlier.request.sourceAccountId
            ? ['sourceAccountId']
            : []),
        ...(destinationAccountId !== earlier.request.destinationAccountId ? ['destinationAccountId'] : []),
        ...(amount !== earlier.request.amount ? ['amount'] : []),
      ]
      if (differing.length > 0) return no('IDEMPOTENCY_CONFLICT', differing)
      return { replayed: true, sequences: earlier.sequences, balancesAfter: undefined }
    }
    if (sourceAccountId === destinationAccountId) return no('SAME_ACCOUNT')
    const source = sourceAccountId === null ? null : this.#accounts.get(sourceAccountId)
    const destination = this.#accounts.get(destinationAccountId)
    if (source === undefined) return no('ACCOUNT_NOT_FOUND', sourceAccountId)
    if (destination === undefined) return no('ACCOUNT_NOT_FOUND', destinationAccountId)
    if (source && source.balance < amount) return no('INSUFFICIENT_FUNDS', source.balance)
    if (destination.balance + amount > AMOUNT_MAX) return no('BALANCE_LIMIT')
    if (source) {
      source.balance -= amount
      source.entries++
    }
    destination.balance += amount
    destination.entries++
    const sequences: [number | null, number] = [source?.entries ?? null, destination.entries]
    this.#recorded.set(idempotencyKey, { request, sequences })
    return { replayed: false, sequences, balancesAfter: [source?.balance ?? null, destination.balance] }
  }
}

/** What the engine answered, in the words of the model. */
export function toExpected(outcome: CallOutcome): Expected[] {
  if ('refusal' in outcome) {
    const { refusal, index } = outcome
    const details =
      refusal.code === 'IDEMPOTENCY_CONFLICT'
        ? refusal.differingFields
        : refusal.code === 'ACCOUNT_NOT_FOUND'
          ? refusal.accountId
          : refusal.code === 'INSUFFICIENT_FUNDS'
            ? refusal.available
            : undefined
    return [{ refused: refusal.code, index, details }]
  }
  return outcome.posted.map(({ transaction, replayed, balancesAfter }) => ({
    replayed,
    sequences: [transaction.sourceSequence, transaction.destinationSequence],
    // Known to the batch that posted; a later replay looks them up.
    balancesAfter: !replayed && balancesAfter ? [balancesAfter.source, balancesAfter.destination] : undefined,
  }))
}
