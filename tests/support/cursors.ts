import { ENTRY_CURSOR, type EntryPosition } from '../../src/ledger/model/cursor.ts'
import { uuidOfBytes } from '../../src/ledger/model/uuid-bytes.ts'

/** What the cursor of an entry says, with the era that it is of. */
export function readEntryCursor(text: string): EntryPosition & { era: string } {
  const era = uuidOfBytes(Buffer.from(text, 'base64url').subarray(1, 17))
  const position = ENTRY_CURSOR.decode(text, era)
  if (position === undefined || position === 'expired') throw new Error('this is no cursor of an entry')
  return { ...position, era }
}

/** The cursor of an entry, with something else in it. */
export function changedEntryCursor(text: string, change: Partial<EntryPosition & { era: string }>): string {
  const { era, ...position } = { ...readEntryCursor(text), ...change }
  return ENTRY_CURSOR.encode(position, era)
}
