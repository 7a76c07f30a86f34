import type { Config } from '../config.ts'
import { openEmbedded } from '../db/embedded/embedded.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { unlessStopped } from './stop.ts'

/**
 * Gives `work` the URL of a migrated database: the one of DATABASE_URL, or an embedded one for as long as the work takes.
 * Its ledger has the currency of LEDGER_CURRENCY, if that is set.
 *
 * @param stop ends the wait for the database; work that takes long must listen to it too.
 */
export async function withDatabase(
  config: Config,
  stop: AbortSignal,
  work: (url: string, migrations: number) => Promise<void>,
): Promise<void> {
  const { DATABASE_URL, DIRECT_DATABASE_URL } = config
  const options = { ledgerCurrency: config.LEDGER_CURRENCY }
  if (DATABASE_URL !== undefined) {
    const migrations = await unlessStopped(stop, () => migrateDatabase(DIRECT_DATABASE_URL ?? DATABASE_URL, options))
    return work(DATABASE_URL, migrations)
  }
  const embedded = await openEmbedded({ dataDir: config.DATA_DIR, log: (line) => console.log(line), stop })
  try {
    const migrations = await unlessStopped(stop, () => migrateDatabase(embedded.url, options))
    await work(embedded.url, migrations)
  } finally {
    await embedded.close()
  }
}
