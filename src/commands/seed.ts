import type { Flags } from '../config.ts'
import { loadDemoData } from '../server/demo.ts'
import { withLedger } from './ledger.ts'

/** Loads the demo data into a ledger that has no users. */
export const seed = (flags: Flags, stop: AbortSignal) =>
  withLedger(flags, stop, async (ledger) => {
    const loaded = await loadDemoData(ledger)
    console.log(loaded ? 'The demo data is loaded.' : 'The ledger already has users: nothing was changed.')
  })
