import type { Flags } from '../config.ts'
import { withLedger } from './ledger.ts'

/** Makes every cursor void, as is needed after a restore. */
export const renewEra = (flags: Flags, stop: AbortSignal) =>
  withLedger(flags, stop, async (ledger) => {
    await ledger.renewEra()
    console.log('A new era has begun: every earlier cursor is void.')
  })
