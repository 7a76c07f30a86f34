import { sql } from 'drizzle-orm'
import type { TransactionId } from '../../db/ids.ts'
import { preparedOnce } from '../../db/prepared.ts'
import { entryColumns } from '../model/transaction.ts'

/** The first `size` reversals of each transaction after a place, newest first. `request` is the request's number, from 1. */
export const readReversals = preparedOnce((database) =>
  database
    .select({
      request: sql`request.position`.mapWith(Number).as('request'),
      id: sql<TransactionId>`entry.id`.as('id'),
      ...entryColumns,
    })
    .from(
      sql`unnest(${sql.placeholder('ids')}::uuid[], ${sql.placeholder('sizes')}::int[],
        ${sql.placeholder('afterTimes')}::timestamptz[], ${sql.placeholder('afterIds')}::uuid[])
        with ordinality as request (id, size, after_time, after_id, position)
      cross join lateral (
        select * from public.transactions
        where reverses_id = request.id
          and (request.after_id is null or (created_at, id) < (request.after_time, request.after_id))
        order by created_at desc, id desc limit request.size
      ) entry`,
    )
    .orderBy(sql`request.position, entry.created_at desc, entry.id desc`)
    .prepare('read_reversals'),
)
