import { sql } from 'drizzle-orm'
import type { TransactionId } from '../../db/ids.ts'
import type { Database } from '../../db/pool.ts'
import { transactions } from '../../db/tables.ts'
import type { FilteredPage } from '../model/filtered-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { type LedgerTransaction, transactionColumns } from '../model/transaction.ts'
import type { TransactionFilter, TransactionPosition } from '../model/transaction-page.ts'
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
