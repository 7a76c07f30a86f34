import type { AccountStatus } from '../../src/ledger/model/account.ts'
import { AMOUNT_MAX } from '../../src/ledger/model/money.ts'
import type { CallOutcome, PostingRequest } from '../../src/ledger/model/posting.ts'

/** What a posting became, without what no model can know: ids and times. */
export type Expected =
  | {
      replayed: boolean
      sequences: [number | null, number | null]
      balancesAfter: [bigint | null, bigint | null] | undefined
    }
  | { refused: string; index: number; details: unknown }

interface Recorded {
  request: PostingRequest
  sequences: [number | null, number | null]
}

interface ModelAccount {
  currency: string
  status: AccountStatus
  balance: bigint
  entries: number
}

/** A ledger in memory, as plain as can be: it judges one call after another and predicts every answer. */
export class Model {
  #accounts: Map<string, ModelAccount>
  #recorded = new Map<string, Recorded>()

  constructor(accounts: readonly { id: string; currency: string }[]) {
    this.#accounts = new Map(
      accounts.map(({ id, currency }) => [id, { currency, status: 'OPEN', balance: 0n, entries: 0 }]),
    )
  }

  /** @returns whether it did: an account with a balance cannot be closed. */
  setStatus(id: string, status: AccountStatus): boolean {
    const account = this.#accounts.get(id) as ModelAccount
    const isRefused = status === 'CLOSED' && account.balance > 0n
    if (!isRefused) account.status = status
    return !isRefused
  }

  /** The sums of all balances in a currency, of all deposits and of all withdrawals. */
  totalsIn(currency: string): { balances: bigint; deposited: bigint; withdrawn: bigint } {
    const sum = (amounts: Iterable<bigint>) => [...amounts].reduce((total, amount) => total + amount, 0n)
    const accounts = [...this.#accounts.values()].filter((account) => account.currency === currency)
    const deposits = [...this.#recorded.values()].filter(
      ({ request }) =>
        request.sourceAccountId === null &&
        this.#accounts.get(request.destinationAccountId ?? '')?.currency === currency,
    )
    const withdrawals = [...this.#recorded.values()].filter(
      ({ request }) =>
        request.destinationAccountId === null &&
        this.#accounts.get(request.sourceAccountId ?? '')?.currency === currency,
    )
    return {
      balances: sum(accounts.map(({ balance }) => balance)),
      deposited: sum(deposits.map(({ request }) => request.amount)),
      withdrawn: sum(withdrawals.map(({ request }) => request.amount)),
    }
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
    const { idempotencyKey, sourceAccountId, destinationAccountId, amount, currency = null, ignoreFreeze } = request
    const no = (refused: string, details: unknown = undefined) => ({ refused, details, index: 0 })
    const source = sourceAccountId === null ? null : this.#accounts.get(sourceAccountId)
    const destination = destinationAccountId === null ? null : this.#accounts.get(destinationAccountId)
    const isOther = (account: ModelAccount | null | undefined) =>
      account && currency !== null && account.currency !== currency
    const earlier = this.#recorded.get(idempotencyKey)
    if (earlier) {
      const first = earlier.request
      const outside = (one: PostingRequest) => `${one.sourceAccountId === null} ${one.destinationAccountId === null}`
      const differ = (one: string | null, other: string | null) => one !== null && other !== null && one !== other
      const metadata = [request.metadata ?? {}, first.metadata ?? {}] as const
      const keys = [...new Set(metadata.flatMap((each) => Object.keys(each)))].sort()
      const shared =
        destinationAccountId !== null && destinationAccountId === first.destinationAccountId
          ? destination
          : sourceAccountId !== null && sourceAccountId === first.sourceAccountId
            ? source
            : undefined
      const differing = [
        ...(outside(request) !== outside(first) ? ['kind'] : []),
        ...(differ(sourceAccountId, first.sourceAccountId) ? ['sourceAccountId'] : []),
        ...(differ(destinationAccountId, first.destinationAccountId) ? ['destinationAccountId'] : []),
        ...(amount !== first.amount ? ['amount'] : []),
        // Where the accounts differ too, nobody knows which currency the first one was in.
        ...(isOther(shared) ? ['currency'] : []),
        ...(request.reverses?.id !== first.reverses?.id ? ['reverses'] : []),
        ...((request.description ?? null) !== (first.description ?? null) ? ['description'] : []),
        ...keys.filter((key) => metadata[0][key] !== metadata[1][key]).map((key) => `metadata.${key}`),
      ]
      if (differing.length > 0) return no('IDEMPOTENCY_CONFLICT', differing)
      return { replayed: true, sequences: earlier.sequences, balancesAfter: undefined }
    }
    if (sourceAccountId !== null && sourceAccountId === destinationAccountId) return no('SAME_ACCOUNT', sourceAccountId)
    if (source === undefined) return no('ACCOUNT_NOT_FOUND', sourceAccountId)
    if (destination === undefined) return no('ACCOUNT_NOT_FOUND', destinationAccountId)
    if (source?.status === 'CLOSED') return no('ACCOUNT_CLOSED', sourceAccountId)
    if (source?.status === 'FROZEN' && !ignoreFreeze) return no('ACCOUNT_FROZEN', sourceAccountId)
    if (destination?.status === 'CLOSED') return no('ACCOUNT_CLOSED', destinationAccountId)
    if (source && destination && source.currency !== destination.currency) return no('CURRENCY_MISMATCH')
    if (isOther(destinationAccountId === null ? source : destination)) return no('CURRENCY_MISMATCH')
    if (request.reverses) {
      const { id, amount: whole } = request.reverses
      const reversals = [...this.#recorded.values()].filter((one) => one.request.reverses?.id === id)
      const remaining = reversals.reduce((left, one) => left - one.request.amount, BigInt(whole))
      if (amount > remaining) return no('REVERSAL_EXCEEDS', remaining)
    }
    if (source && source.balance < amount) return no('INSUFFICIENT_FUNDS', source.balance)
    if (destination && destination.balance + amount > AMOUNT_MAX) return no('BALANCE_LIMIT', destinationAccountId)
    if (source) {
      source.balance -= amount
      source.entries++
    }
    if (destination) {
      destination.balance += amount
      destination.entries++
    }
    const sequences: Recorded['sequences'] = [source?.entries ?? null, destination?.entries ?? null]
    this.#recorded.set(idempotencyKey, { request, sequences })
    return { replayed: false, sequences, balancesAfter: [source?.balance ?? null, destination?.balance ?? null] }
  }
}

/** What the engine answered, in the words of the model. */
export function toExpected(outcome: CallOutcome): Expected[] {
  if ('refusal' in outcome) {
    const { refusal, index } = outcome
    const details =
      refusal.code === 'IDEMPOTENCY_CONFLICT'
        ? refusal.differingFields
        : refusal.code === 'INSUFFICIENT_FUNDS'
          ? refusal.available
          : refusal.code === 'CURRENCY_MISMATCH'
            ? undefined
            : refusal.code === 'REVERSAL_EXCEEDS'
              ? refusal.remaining
              : refusal.accountId
    return [{ refused: refusal.code, index, details }]
  }
  return outcome.posted.map(({ transaction, replayed, balancesAfter }) => ({
    replayed,
    sequences: [transaction.sourceSequence, transaction.destinationSequence],
    // Known to the batch that posted; a later replay looks them up.
    balancesAfter: !replayed && balancesAfter ? [balancesAfter.source, balancesAfter.destination] : undefined,
  }))
}
