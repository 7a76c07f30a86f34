import { sql } from 'drizzle-orm'
import type pg from 'pg'
import { inTransaction } from '../../db/transaction.ts'
import { isAhead } from '../model/snapshot.ts'
import { readSnapshotNow } from '../statements/read-snapshot.ts'

/** A rewrite of the whole table. */
const RENEWAL_LIMITS = { lockTimeoutMs: 60_000, statementTimeoutMs: 3_600_000, idleTimeoutMs: 3_600_000 }

/**
 * Makes a new era after a restore, so that every earlier cursor is void. If the ledger came from another PostgreSQL by a
 * dump, its rows have ids of database transactions that this PostgreSQL has not reached. Then they are marked as older than
 * all of its own. All servers must be stopped first: they know the old era.
 */
export async function renewEra(pool: pg.Pool): Promise<void> {
  await inTransaction(pool, RENEWAL_LIMITS, async (tx) => {
    await tx.execute(sql`update private.ledger set era = gen_random_uuid()`)
    const [taken] = await readSnapshotNow(tx).execute()
    // The ledger refuses an UPDATE, so an ALTER to the type that the column already has rewrites it.
    if (taken && isAhead(taken.snapshot, taken.head)) {
      await tx.execute(sql`alter table public.transactions alter column recorded_xid type xid8 using '1'::xid8`)
    }
  })
  // A rewritten table has no visibility map, and nothing else would make one: balances would be slow.
  await pool.query('vacuum (analyze) public.transactions')
}
