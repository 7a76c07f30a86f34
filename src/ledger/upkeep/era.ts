import { sql } from 'drizzle-orm'
import type pg from 'pg'
import { inTransaction } from '../../db/transaction.ts'
import { isAhead } from '../model/snapshot.ts'
import { readSnapshotNow } from '../statements/read-snapshot.ts'

/** A rewrite of the whole table. */
const RENEWAL_LIMITS = { lockTimeoutMs: 60_000, statementTimeoutMs: 3_600_000, idleTimeoutMs: 3_600_000 }

/**
 * After a restore: makes a new era, so that every cursor from before is void. Where the ledger came from another
 * PostgreSQL by a dump, its rows bear database transactions that this one has not come to; they are then marked as older
 * than all of this one's. All servers have to be stopped: they know the old era.
 */
export async function renewEra(pool: pg.Pool): Promise<void> {
  await inTransaction(pool, RENEWAL_LIMITS, async (tx) => {
    await tx.execute(sql`update private.ledger set era = gen_random_uuid()`)
    const [taken] = await readSnapshotNow(tx).execute()
    // Not an UPDATE, which the ledger refuses, and no change of what it says: the type stays what it was.
    if (taken && isAhead(taken.snapshot, taken.head)) {
      await tx.execute(sql`alter table public.transactions alter column recorded_xid type xid8 using '1'::xid8`)
    }
  })
  // A rewritten table has no map of what is visible, and nothing would call for it: balances would be slow.
  await pool.query('vacuum (analyze) public.transactions')
}
