import { RestoredLedgerError } from '../ledger/model/feed-errors.ts'
import { explain } from '../startup-errors.ts'

/** Prints an error that does not end the command. */
export function warn(error: unknown): void {
  console.error(`Warning: ${error instanceof RestoredLedgerError ? error.message : explain(error)}`)
}
