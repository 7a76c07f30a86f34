import { and, eq, isNotNull, isNull, or, sql } from 'drizzle-orm'
import { type Instant, selectInstant } from '../../db/instant.ts'
import type { Database } from '../../db/pool.ts'
import { failedTransactions } from '../../db/tables.ts'
import type { FailedTransaction, FailedTransactionFilter, FailureCode, Posters } from '../model/failed-transaction.ts'
import type { IdPage, IdPosition } from '../model/id-page.ts'
import type { PageRequest } from '../model/page-request.ts'
import { pageById } from './id-page.ts'

const columns = {
  id: failedTransactions.id,
  idempotencyKey: failedTransactions.idempotencyKey,
  sourceUserId: failedTransactions.sourceUserId,
  destinationUserId: failedTransactions.destinationUserId,
  amount: failedTransactions.amount,
  code: sql<FailureCode>`${failedTransactions.code}`,
  message: failedTransactions.message,
  attempts: failedTransactions.attempts,
  failedAt: selectInstant(failedTransactions.failedAt),
  addressedAt: selectInstant(failedTransactions.addressedAt) as ReturnType<typeof sql<Instant | null>>,
}

/** In the order of the ids; undefined where there is none. */
export async function findFailedTransactions(
  database: Database,
  ids: readonly string[],
): Promise<(FailedTransaction | undefined)[]> {
  const rows = await database
    .select(columns)
    .from(failedTransactions)
    .where(sql`${failedTransactions.id} = any(${sql.param(ids)}::uuid[])`)
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byId.get(id))
}

/** Failed attempts, newest first. */
export function pageFailedTransactions(
  database: Database,
  request: PageRequest<IdPosition>,
  { userId, code, addressed }: FailedTransactionFilter,
  posters: Posters,
): Promise<IdPage<FailedTransaction>> {
  const { sourceUserId, destinationUserId, addressedAt } = failedTransactions
  const theirs = (side: typeof sourceUserId | typeof destinationUserId) =>
    sql`${side} = any(${sql.param(posters?.accountIds)}::uuid[])`
  const filter = and(
    posters === null
      ? undefined
      : or(
          theirs(sourceUserId),
          posters.withDeposits ? and(isNull(sourceUserId), theirs(destinationUserId)) : undefined,
        ),
    userId == null ? undefined : or(eq(sourceUserId, userId), eq(destinationUserId, userId)),
    code == null ? undefined : eq(failedTransactions.code, code),
    addressed == null ? undefined : addressed ? isNotNull(addressedAt) : isNull(addressedAt),
  )
  return pageById(database, request, failedTransactions, failedTransactions.id, filter, (where, order, limit) =>
    database.select(columns).from(failedTransactions).where(where).orderBy(order).limit(limit),
  )
}

/**
 * Marks an attempt as seen to; the first time stays.
 *
 * @returns it, or undefined when there is none.
 */
export async function addressFailedTransaction(database: Database, id: string): Promise<FailedTransaction | undefined> {
  const [row] = await database
    .update(failedTransactions)
    .set({ addressedAt: sql`coalesce(${failedTransactions.addressedAt}, clock_timestamp())` })
    .where(eq(failedTransactions.id, id))
    .returning(columns)
  return row
}
