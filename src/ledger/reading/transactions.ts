import { sql } from 'drizzle-orm'
import { ZERO } from '../../db/amount.ts'
import type { TransactionId } from '../../db/ids.ts'
import type { Database } from '../../db/pool.ts'
import { transactions } from '../../db/tables.ts'
import type { FilteredPage } from '../model/filtered-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import type { ReversalsPage, ReversalsRequest, Reversed } from '../model/reversals.ts'
import { type LedgerTransaction, transactionColumns } from '../model/transaction.ts'
import type { TransactionFilter, TransactionPosition } from '../model/transaction-page.ts'
import { readReversals } from '../statements/read-reversals.ts'
import { readReversed } from '../statements/read-reversed.ts'
import { countTransactions, pageTransactions } from './transaction-list.ts'

export class Transactions {
  readonly #database: Database
  readonly #scanMax: number

  /** @param scanMax how many transactions a page under a filter looks through at most. */
  constructor(database: Database, scanMax: number) {
    this.#database = database
    this.#scanMax = scanMax
  }

  /** In the order of the ids; undefined where there is none. */
  async find(ids: readonly TransactionId[]): Promise<(LedgerTransaction | undefined)[]> {
    const rows = await this.#database
      .select(transactionColumns)
      .from(transactions)
      .where(sql`${transactions.id} = any(${sql.param(ids)}::uuid[])`)
    const byId = new Map(rows.map((transaction) => [transaction.id, transaction]))
    return ids.map((id) => byId.get(id))
  }

  /** In the order of the idempotency keys; undefined where there is none. */
  async findByKey(keys: readonly string[]): Promise<(LedgerTransaction | undefined)[]> {
    const rows = await this.#database
      .select(transactionColumns)
      .from(transactions)
      .where(sql`${transactions.idempotencyKey} = any(${sql.param(keys)}::uuid[])`)
    const byKey = new Map(rows.map((transaction) => [transaction.idempotencyKey, transaction]))
    return keys.map((key) => byKey.get(key))
  }

  /** How much of each transaction was reversed, and how often, in the order of the ids. */
  async reversed(ids: readonly TransactionId[]): Promise<Reversed[]> {
    const rows = await readReversed(this.#database).execute({ ids })
    const byId = new Map(rows.map(({ id, ...reversed }) => [id, reversed]))
    return ids.map((id) => byId.get(id) ?? { amount: ZERO, count: 0 })
  }

  /** A page of the reversals of each transaction, newest first. One statement reads all. */
  async reversals(requests: readonly ReversalsRequest[]): Promise<ReversalsPage[]> {
    const rows = await readReversals(this.#database).execute({
      ids: requests.map(({ id }) => id),
      // One more, to find out whether there are more.
      sizes: requests.map(({ size }) => size + 1),
      afterTimes: requests.map(({ after }) => after?.createdAt ?? null),
      afterIds: requests.map(({ after }) => after?.id ?? null),
    })
    const pages = requests.map(
      ({ after }): ReversalsPage => ({ items: [], hasOlder: false, hasNewer: after !== undefined }),
    )
    for (const { request, ...transaction } of rows) {
      const page = pages[request - 1] as ReversalsPage
      if (page.items.length < (requests[request - 1] as ReversalsRequest).size) page.items.push(transaction)
      else page.hasOlder = true
    }
    return pages
  }

  /** A page of the whole ledger, newest first. */
  page(
    request: PageRequest<TransactionPosition>,
    filter: TransactionFilter,
  ): Promise<FilteredPage<LedgerTransaction, TransactionPosition>> {
    return pageTransactions(this.#database, request, filter, this.#scanMax)
  }

  /** How many transactions match; null when there are too many to look through. */
  count(filter: TransactionFilter): Promise<number | null> {
    return countTransactions(this.#database, filter)
  }
}
