import { type Config, type Flags, readConfig } from '../config.ts'
import { openEmbedded } from '../db/embedded/embedded.ts'
import { migrateDatabase } from '../db/migrate.ts'
import { type Ledger, openLedger } from '../ledger/ledger.ts'
import { ledgerOptions } from '../server/server.ts'
import { unlessStopped } from './stop.ts'
import { warn } from './warn.ts'

/**
 * Gives `work` the URL of a migrated database: the one of DATABASE_URL, or an embedded one for as long as the work takes.
 *
 * @param stop ends the wait for the database; work that takes long must listen to it too.
 */
export async function withDatabase(
  config: Config,
  stop: AbortSignal,
  work: (url: string, migrations: number) => Promise<void>,
): Promise<void> {
  const { DATABASE_URL, DIRECT_DATABASE_URL } = config
  if (DATABASE_URL !== undefined) {
    const migrations = await unlessStopped(stop, () => migrateDatabase(DIRECT_DATABASE_URL ?? DATABASE_URL))
    return work(DATABASE_URL, migrations)
  }
  const embedded = await openEmbedded({ dataDir: config.DATA_DIR, log: (line) => console.log(line), stop })
  try {
    const migrations = await unlessStopped(stop, () => migrateDatabase(embedded.url))
    await work(embedded.url, migrations)
  } finally {
    await embedded.close()
  }
}

/** Opens the ledger for a command that works on it and ends. */
export async function withLedger(
  flags: Flags,
  stop: AbortSignal,
  work: (ledger: Ledger) => Promise<void>,
): Promise<void> {
  const config = readConfig(undefined, { serves: false, flags })
  await withDatabase(config, stop, (url) =>
    unlessStopped(stop, async () => {
      const ledger = await openLedger(ledgerOptions(config, url, warn))
      try {
        await work(ledger)
      } finally {
        await ledger.close()
      }
    }),
  )
}
