import type { Flags } from '../config.ts'
import { withLedger } from './ledger.ts'

/** Rebuilds the balance checkpoints that are missing. */
export const checkpoints = (flags: Flags, stop: AbortSignal) =>
  withLedger(flags, stop, async (ledger) => {
    const count = await ledger.rebuildCheckpoints()
    console.log(count === 0 ? 'No checkpoint is missing.' : `Rebuilt the missing checkpoints in ${count} places.`)
  })
