import { type Config, type Flags, readConfig } from '../config.ts'
import { type Ledger, openLedger } from '../ledger/ledger.ts'
import { ledgerOptions } from '../server/options.ts'
import { withDatabase } from './database.ts'
import { unlessStopped } from './stop.ts'
import { warn } from './warn.ts'

/**
 * Opens the ledger for a command that works on it and ends.
 *
 * @param work also gets the configuration and the URL of the database, for what else it opens.
 */
export async function withLedger(
  flags: Flags,
  stop: AbortSignal,
  work: (ledger: Ledger, config: Config, url: string) => Promise<void>,
): Promise<void> {
  const config = readConfig(undefined, { serves: false, flags })
  await withDatabase(config, stop, (url) =>
    unlessStopped(stop, async () => {
      const ledger = await openLedger(ledgerOptions(config, url, warn))
      try {
        await work(ledger, config, url)
      } finally {
        await ledger.close()
      }
    }),
  )
}
