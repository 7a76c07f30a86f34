import { and, asc, desc, gt, gte, lt, lte, type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Database } from '../../db/pool.ts'
import type { IdPage, IdPosition } from '../model/id-page.ts'
import type { PageRequest } from '../model/page-request.ts'

type SelectRows<Row> = (where: SQL | undefined, order: SQL, limit: number) => Promise<Row[]>

/** Reads a page by keyset: as fast at the end of a long list as at its start, and not shifted by rows that are added. */
export async function pageById<Row extends { id: string }>(
  database: Database,
  { first, last, ...page }: PageRequest<IdPosition>,
  table: PgTable,
  id: PgColumn,
  /** Which rows the list has; undefined: all. */
  filter: SQL | undefined,
  selectRows: SelectRows<Row>,
): Promise<IdPage<Row>> {
  const [after, before] = [page.after?.id, page.before?.id]
  const window = and(after === undefined ? undefined : lt(id, after), before === undefined ? undefined : gt(id, before))
  const rows =
    last === undefined
      ? await selectRows(and(filter, window), desc(id), first ?? 0)
      : (await selectRows(and(filter, window), asc(id), last)).reverse()

  const exists = (where: SQL) => sql<boolean>`exists (select from ${table} where ${and(filter, where)})`
  const [newest, oldest] = [rows[0]?.id, rows.at(-1)?.id]
  const [newer, older] =
    newest !== undefined && oldest !== undefined
      ? [gt(id, newest), lt(id, oldest)]
      : // An empty page lies at the end of its window that it was asked from.
        last === undefined
        ? [after === undefined ? sql`false` : gte(id, after), after === undefined ? sql`true` : lt(id, after)]
        : [before === undefined ? sql`true` : gt(id, before), before === undefined ? sql`false` : lte(id, before)]
  const [ends] = await database
    .execute<{ newer: boolean; older: boolean }>(sql`select ${exists(newer)} as newer, ${exists(older)} as older`)
    .then((result) => result.rows)
  return { rows, hasNewer: ends?.newer ?? false, hasOlder: ends?.older ?? false }
}
