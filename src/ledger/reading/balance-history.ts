import { toAmount, ZERO } from '../../db/amount.ts'
import type { AccountId } from '../../db/ids.ts'
import { type Instant, justAfter, justBefore } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { takeTurn } from '../../turns.ts'
import { FutureMomentError } from '../model/balance.ts'
import { type BalanceBucket, BUCKETS_MAX, type HistoryRequest, TooManyBucketsError } from '../model/balance-history.ts'
import { bucketStarts } from '../model/calendar.ts'
import { type MovedBucket, parseMovedBuckets, readBalanceBuckets } from '../statements/read-balance-buckets.ts'
import { type CheckpointGap, GAP_LENGTH_MIN } from '../upkeep/checkpoints.ts'
import type { Balances } from './balances.ts'
import type { Settling } from './settling.ts'

const NOTHING: MovedBucket = { entryCount: 0, credited: ZERO, debited: ZERO, lowest: ZERO, highest: ZERO }

/** See `takeTurn`: a thousand buckets take 5 ms to fill. */
const BUCKETS_PER_UNIT = 20

/** The bounds of all buckets: one more than there are; none for an empty history. */
interface Window {
  bounds: readonly Instant[]
  complete: boolean
}

type Asked = { accountId: AccountId; asOf: Instant; window: Window }
type Row = Awaited<ReturnType<ReturnType<typeof readBalanceBuckets>['execute']>>[number]

/** Reads the history of balances. Accounts are not checked to exist: one without entries has had 0 all the time. */
export class BalanceHistories {
  readonly #database: Database
  readonly #settling: Settling
  readonly #balances: Balances
  readonly #onGap: (gap: CheckpointGap) => void

  /** @param onGap called with each gap between checkpoints that was summed up for an opening balance. */
  constructor(database: Database, settling: Settling, balances: Balances, onGap: (gap: CheckpointGap) => void) {
    this.#database = database
    this.#settling = settling
    this.#balances = balances
    this.#onGap = onGap
  }

  /**
   * The buckets of each request, in order: the time from `from` to `to`, cut where the hours, days, weeks or months of its
   * time zone begin. One statement reads all of them; only while postings in flight could still change an answer are there
   * more. Like a balance at a past moment, the answer does not move, except for a last bucket that is not over.
   *
   * @returns for each request its buckets, a FutureMomentError when `from` is in the future, or a TooManyBucketsError.
   */
  async load(
    requests: readonly HistoryRequest[],
  ): Promise<(BalanceBucket[] | FutureMomentError | TooManyBucketsError)[]> {
    const nowOf = await this.#nowOf(requests)
    const windows = new Map<string, Promise<Window | FutureMomentError | TooManyBucketsError>>()
    const cuts = requests.map((request) => {
      const now = nowOf(request.accountId)
      const { from, to, bucket, timeZone } = request
      const name = [from, to > now ? now : to, bucket, timeZone].join()
      const window = windows.get(name) ?? cutWindow(request, now, requests)
      windows.set(name, window)
      return window
    })
    const places = await Promise.all(cuts)
    const asked = requests.flatMap(({ accountId }, index): Asked[] => {
      const window = places[index] as Window | Error
      const end = window instanceof Error ? undefined : window.bounds.at(-1)
      return end === undefined ? [] : [{ accountId, asOf: justBefore(end), window: window as Window }]
    })
    const answers =
      asked.length > 0 ? await this.#settling.settle(asked, (moments) => this.#read(moments), { isCheap: false }) : []
    const histories: (BalanceBucket[] | FutureMomentError | TooManyBucketsError)[] = []
    for (const [index, window] of places.entries()) {
      if (window instanceof Error) histories.push(window)
      else if (window.bounds.length === 0) histories.push([])
      else {
        const answer = answers.shift() as Row | FutureMomentError
        if (answer instanceof FutureMomentError) histories.push(answer)
        else {
          await takeTurn(requests, Math.ceil(window.bounds.length / BUCKETS_PER_UNIT))
          histories.push(this.#bucketsOf((requests[index] as HistoryRequest).accountId, window, answer))
        }
      }
    }
    return histories
  }

  /** The moment up to which each account is known: PostgreSQL's clock, or its last entry if that is ahead of the clock. */
  async #nowOf(requests: readonly HistoryRequest[]): Promise<(accountId: AccountId) => Instant> {
    const now = await this.#settling.now()
    const ids = requests.filter(({ from, to }) => from > now || to > now).map(({ accountId }) => accountId)
    const heads = ids.length > 0 ? await this.#balances.current(ids) : []
    const lasts = new Map(heads.map(({ accountId, asOf }) => [accountId, asOf]))
    return (accountId) => {
      const last = lasts.get(accountId)
      return last && last >= now ? justAfter(last) : now
    }
  }

  /** One statement. */
  async #read(asked: readonly Asked[]): Promise<Row[]> {
    const windows = [...new Set(asked.map(({ window }) => window))]
    const placeOf = new Map(windows.map((window, index) => [window, index + 1]))
    // Equal requests are read once.
    const distinct = new Map(asked.map((one) => [nameOf(one, placeOf), one]))
    const rows = await readBalanceBuckets(this.#database).execute({
      ids: [...distinct.values()].map(({ accountId }) => accountId),
      places: [...distinct.values()].map(({ window }) => placeOf.get(window)),
      windows: windows.map(({ bounds }) => `{${bounds.join()}}`),
    })
    const answers = new Map([...distinct.keys()].map((name, index) => [name, rows[index] as Row]))
    return asked.map((one) => answers.get(nameOf(one, placeOf)) as Row)
  }

  /** Fills the buckets without entries. The closing balance of each is the opening balance of the next. */
  #bucketsOf(accountId: AccountId, { bounds, complete }: Window, { base, low, high, moved }: Row): BalanceBucket[] {
    const buckets = parseMovedBuckets(moved)
    const before = buckets.get(0)
    const inside = [...buckets.values()].reduce((sum, { entryCount }) => sum + entryCount, 0)
    // What was read before and after the window, because there was no checkpoint.
    this.#onGap({ accountId, low, high: low + (before?.entryCount ?? 0) })
    if (high - low - inside >= GAP_LENGTH_MIN) this.#onGap({ accountId, low, high })
    let balance = before ? toAmount(base + before.credited - before.debited) : base
    return bounds.slice(1).map((end, index) => {
      const { entryCount, credited, debited, lowest, highest } = buckets.get(index + 1) ?? NOTHING
      const opening = balance
      balance = toAmount(opening + credited - debited)
      return {
        start: bounds[index] as Instant,
        end,
        complete: complete || index < bounds.length - 2,
        opening,
        closing: balance,
        lowest: entryCount > 0 && lowest < opening ? lowest : opening,
        highest: entryCount > 0 && highest > opening ? highest : opening,
        credited,
        debited,
        entryCount,
      }
    })
  }
}

const nameOf = ({ accountId, window }: Asked, placeOf: ReadonlyMap<Window, number>) =>
  `${accountId} ${placeOf.get(window)}`

async function cutWindow(
  { from, to, bucket, timeZone }: HistoryRequest,
  now: Instant,
  owner: object,
): Promise<Window | FutureMomentError | TooManyBucketsError> {
  if (from > now) return new FutureMomentError(now)
  const end = to > now ? now : to
  if (from === end) return { bounds: [], complete: true }
  const starts = await bucketStarts(from, end, bucket, timeZone, BUCKETS_MAX - 1, owner)
  if (!starts) return new TooManyBucketsError()
  return { bounds: [from, ...starts, end], complete: to <= now }
}
