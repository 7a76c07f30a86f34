import { and, eq, isNotNull, isNull, not, or, type SQL, sql } from 'drizzle-orm'
import { selectInstant, selectInstantOrNull } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { failedTransactions } from '../../db/tables.ts'
import type { FailedTransaction, FailedTransactionFilter, FailureCode, Posters } from '../model/failed-transaction.ts'
import type { IdPage, IdPosition } from '../model/id-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { isWithOutside } from '../model/sides.ts'
import { pageById } from './id-page.ts'

const columns = {
  id: failedTransactions.id,
  idempotencyKey: failedTransactions.idempotencyKey,
  sourceAccountId: failedTransactions.sourceAccountId,
  destinationAccountId: failedTransactions.destinationAccountId,
  amount: failedTransactions.amount,
  code: sql<FailureCode>`${failedTransactions.code}`,
  message: failedTransactions.message,
  attempts: failedTransactions.attempts,
  failedAt: selectInstant(failedTransactions.failedAt),
  addressedAt: selectInstantOrNull(failedTransactions.addressedAt),
}

export class FailedTransactions {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** In the order of the ids; undefined where there is none. */
  async find(ids: readonly string[]): Promise<(FailedTransaction | undefined)[]> {
    const rows = await this.#database
      .select(columns)
      .from(failedTransactions)
      .where(sql`${failedTransactions.id} = any(${sql.param(ids)}::uuid[])`)
    const byId = new Map(rows.map((row) => [row.id, row]))
    return ids.map((id) => byId.get(id))
  }

  /** Failed attempts, newest first. */
  page(
    request: PageRequest<IdPosition>,
    filter: FailedTransactionFilter,
    posters: Posters,
  ): Promise<IdPage<FailedTransaction>> {
    const where = and(isOf(posters), matches(filter))
    return pageById(this.#database, request, failedTransactions, failedTransactions.id, where, (where, order, limit) =>
      this.#database.select(columns).from(failedTransactions).where(where).orderBy(order).limit(limit),
    )
  }

  /**
   * Marks an attempt as addressed. Marked again, it keeps the first time.
   *
   * @returns the attempt, or undefined if it does not exist.
   */
  async address(id: string): Promise<FailedTransaction | undefined> {
    const [row] = await this.#database
      .update(failedTransactions)
      .set({ addressedAt: sql`coalesce(${failedTransactions.addressedAt}, clock_timestamp())` })
      .where(eq(failedTransactions.id, id))
      .returning(columns)
    return row
  }
}

function isOf(posters: Posters): SQL | undefined {
  if (posters === null) return undefined
  const { sourceAccountId, destinationAccountId } = failedTransactions
  const theirs = (side: typeof sourceAccountId | typeof destinationAccountId) =>
    sql`${side} = any(${sql.param(posters.accountIds)}::uuid[])`
  return or(
    and(not(isWithOutside), theirs(sourceAccountId)),
    posters.withOutside ? and(isWithOutside, or(theirs(sourceAccountId), theirs(destinationAccountId))) : undefined,
  )
}

function matches({ accountId, code, addressed }: FailedTransactionFilter): SQL | undefined {
  const { sourceAccountId, destinationAccountId, addressedAt } = failedTransactions
  return and(
    accountId == null ? undefined : or(eq(sourceAccountId, accountId), eq(destinationAccountId, accountId)),
    code == null ? undefined : eq(failedTransactions.code, code),
    addressed == null ? undefined : addressed ? isNotNull(addressedAt) : isNull(addressedAt),
  )
}
