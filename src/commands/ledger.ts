import { type Flags, readConfig } from '../config.ts'
import { type Ledger, openLedger } from '../ledger/ledger.ts'
import { ledgerOptions } from '../server/options.ts'
import { withDatabase } from './database.ts'
import { unlessStopped } from './stop.ts'
import { warn } from './warn.ts'

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
